import argparse
import asyncio
import sys

from benchmarks.soak.run import Plan, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=soak.__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="how long (default: %(default)g)")
    parser.add_argument(
        "--clients", type=int, default=40, help="well-behaved clients at a time (default: %(default)d)"
    )
    parser.add_argument(
        "--restart-every",
        type=float,
        default=60.0,
        metavar="S",
        help="Redis is killed so often (default: %(default)g s)",
    )
    options = parser.parse_args()
    plan = Plan(options.minutes * 60, options.clients, options.restart_every)
    verdict = asyncio.run(soak(plan))
    print(verdict.text)
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
