import signal
import sys

from benchmarks.cli import main


def stop(*_: object) -> None:
    """End as an exception does, so that everything that was started is stopped."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    sys.exit(main())
