import signal
import sys

from benchmarks.cli import main


def stop(*_: object) -> None:
    """Raise SystemExit, so that each block that started a process stops it."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())
