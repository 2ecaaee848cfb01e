"""The command line: ``python -m benchmarks.continuity``."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli import CACHE
from benchmarks.continuity.clients import Javascript
from benchmarks.continuity.faults import Faults
from benchmarks.continuity.publishing import FORMS
from benchmarks.continuity.run import Plan, prove
from benchmarks.errors import BenchmarkError
from benchmarks.install.cache import Cache
from benchmarks.install.javascript import install_javascript
from benchmarks.machine import check_platform

EXIT_FAILED = 1
EXIT_USAGE = 2


def main(words: Sequence[str] | None = None) -> int:
    """Run clients through faults. Return 1 if one of them silently missed a message, or got one twice."""
    chosen = _parser().parse_args(words)
    seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    started = time.monotonic()

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    known = Faults.FAILOVER if chosen.failover else Faults.ALL
    plan = Plan(
        time_s=chosen.minutes * 60,
        seed=seed,
        nodes=chosen.nodes,
        clients=chosen.clients,
        rate=chosen.rate,
        forms=_some("forms", chosen.forms, FORMS),
        faults=_some("faults", chosen.faults or ",".join(known), (*Faults.ALL[:4], *known)),
        failover=chosen.failover,
        keep=chosen.logs,
    )
    try:
        check_platform()
        verdict = asyncio.run(prove(plan, _javascript(chosen, tell), tell))
    except BenchmarkError as error:
        print(f"continuity: {error}", file=sys.stderr)
        return EXIT_USAGE
    print(verdict.text)
    return 0 if verdict.passed else EXIT_FAILED


def _javascript(chosen: argparse.Namespace, tell: object) -> Javascript:
    if chosen.node:
        return Javascript(chosen.node, chosen.modules, chosen.module)
    installed = install_javascript(Cache(CACHE, print))
    return Javascript(installed.node, installed.folder)


def _some(what: str, names: str, known: Sequence[str]) -> list[str]:
    listed = [name.strip() for name in names.split(",")]
    if unknown := [name for name in listed if name not in known]:
        sys.exit(f"continuity: there are no {what} {', '.join(unknown)}; there are {', '.join(known)}.")
    return listed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.continuity", description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: %(default)g)")
    parser.add_argument("--seed", type=int, help="repeats the order and the length of the faults of a run")
    parser.add_argument("--nodes", type=int, default=3, help="nodes of Hornet (default: %(default)d)")
    parser.add_argument("--clients", type=int, default=60, help="stock clients (default: %(default)d)")
    parser.add_argument("--rate", type=float, default=200, help="messages a second (default: %(default)g)")
    parser.add_argument(
        "--forms", default="recorded,http", help=f"some of {','.join(FORMS)} (default: %(default)s)"
    )
    parser.add_argument("--faults", help=f"some of {','.join(Faults.ALL)} (default: all)")
    parser.add_argument(
        "--failover", action="store_true", help="Redis with a replica and a Sentinel, and failovers only"
    )
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the logs of the nodes there")
    parser.add_argument("--node", type=Path, help="the Node to use, instead of installing one")
    parser.add_argument(
        "--modules", type=Path, metavar="FOLDER", help="the folder whose node_modules has the client"
    )
    parser.add_argument("--module", default="socket.io-client", help="its name there (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
