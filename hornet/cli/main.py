"""``hornet``: does a backend's work by hand, and checks a configuration."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from hornet._version import __version__
from hornet.broker.failures import FAILURES, explain
from hornet.cli.backend_commands import add_history, add_publish, add_token
from hornet.cli.parsing import Parser, add_options
from hornet.cli.running import EXIT_FAILED, EXIT_USAGE, complain, run_politely
from hornet.connector import ApiError, ApiUnavailable
from hornet.core.errors import HornetError

PROGRAM = "hornet"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``hornet``. Return the exit code."""
    return run_politely(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.error("no COMMAND given, and the server itself is hornet-server")
    try:
        answer = arguments.run(arguments)
        if asyncio.iscoroutine(answer):
            answer = asyncio.run(answer)
    except ApiUnavailable as error:
        complain(PROGRAM, f"Hornet can't be reached: {error}")
        return EXIT_FAILED
    except ApiError as error:
        complain(PROGRAM, f"Hornet refused that: {error}")
        return EXIT_FAILED
    except (HornetError, ValueError) as error:
        complain(PROGRAM, error)
        return EXIT_USAGE
    except FAILURES as error:
        complain(PROGRAM, f"Redis can't be used: {explain(error)}")
        return EXIT_FAILED
    if answer is not None:
        print(answer)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Make tokens, publish messages and read them again by hand; check a configuration.",
        epilog="The server itself is another command: hornet-server.",
    )
    parser.add_argument("--version", action="version", version=f"Hornet v{__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    subparsers = [add_token(commands), add_publish(commands), add_history(commands)]

    check = commands.add_parser(
        "check-config",
        help="check the configuration of a server, and start nothing",
        usage="hornet check-config [--config FILE] [OPTION ...]",
        description="Check the options, the environment and the file that hornet-server would be started\n"
        "with, and print what they change, and where.",
    )
    add_options(check)
    check.set_defaults(run=_check_config)
    commands.add_parser(
        "config-doc",
        help="print the configuration reference",
        description="Print every option of hornet-server, as a page in Markdown.",
    ).set_defaults(run=_config_doc)
    parser.flags = [flag for command in (*subparsers, check) for flag in command.flags]
    return parser


def _check_config(arguments: argparse.Namespace) -> str:
    from hornet.cli.check_config import check_config  # which loads the server

    return check_config(arguments)


def _config_doc(_: argparse.Namespace) -> str:
    from hornet.config_doc import render

    return render().rstrip()
