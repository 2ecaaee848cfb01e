"""The commands: ``hornet-server`` runs a node; ``hornet`` makes tokens, publishes, checks a configuration."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hornet._version import __version__
from hornet.broker.client import connect, parse_url
from hornet.broker.failures import FAILURES, explain
from hornet.connector import DEFAULT_URL, AsyncConnector
from hornet.core.errors import HornetError, SetupError
from hornet.core.jsontext import parse_json
from hornet.core.tokens import DEFAULT_TOKEN_TTL_S

if TYPE_CHECKING:
    from hornet.config import Config, Option

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""The exit code that a shell expects of a program ended by Ctrl-C: 128 plus the number of the signal."""

REDIS_TIMEOUT_S = 5.0


def serve(argv: Sequence[str] | None = None) -> int:
    """Run ``hornet-server``, a node, until it is told to stop. Return the exit code."""
    return _run_politely(lambda: _serve(argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``hornet``. Return the exit code."""
    return _run_politely(lambda: _main(argv))


def _serve(argv: Sequence[str] | None) -> int:
    given = vars(server_parser().parse_args(argv))
    try:
        config = _load(given)
    except SetupError as error:
        print(f"hornet-server: {error}", file=sys.stderr)
        return EXIT_USAGE
    from hornet.process.server import run_server  # the server is loaded only where it is run

    try:
        return run_server(config, lambda: _load(given))
    except SetupError as error:
        print(f"hornet-server: {error}", file=sys.stderr)
        return EXIT_FAILED


def _main(argv: Sequence[str] | None) -> int:
    parser = _hornet_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.error("no COMMAND given, and the server itself is hornet-server")
    try:
        if arguments.answer is not None:
            print(arguments.answer(arguments))
        else:
            print(asyncio.run(_ask_redis(arguments)))
    except (HornetError, ValueError) as error:
        print(f"hornet: {error}", file=sys.stderr)
        return EXIT_USAGE
    except FAILURES as error:
        print(f"hornet: Redis can't be used: {explain(error)}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _run_politely(command: Callable[[], int]) -> int:
    """Run a command. Ctrl-C, or a reader that has gone (``| head -1``), ends it without a message."""
    try:
        code = command()
    except SystemExit as leaving:  # how argparse ends after --help, --version and a wrong option
        code = leaving.code if isinstance(leaving.code, int) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        code = 0
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


class _Parser(argparse.ArgumentParser):
    """A parser that reports an error as one sentence; argparse would print the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see {self.prog} --help.\n")


def server_parser() -> argparse.ArgumentParser:
    """Return the parser of ``hornet-server``, with an option for each field of the configuration."""
    parser = _Parser(
        prog="hornet-server",
        allow_abbrev=False,
        description="Hornet: a Socket.IO-compatible realtime pub/sub server. "
        "Without options it listens on port 8187 and uses the Redis on this machine, or starts its own.",
        epilog="Each option may also be set in the environment (HORNET_AUTH_TIMEOUT for --auth-timeout) "
        "or in the file named by --config (auth_timeout); flags win, then the environment.",
    )
    parser.add_argument("--version", action="version", version=f"Hornet v{__version__}")
    _add_options(parser)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    from hornet.config import options

    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML or JSON file with options (default: HORNET_CONFIG)"
    )
    groups: dict[str, Any] = {}
    for option in options():
        if option.section not in groups:
            groups[option.section] = parser.add_argument_group(option.section)
        text = f"{option.doc} (default: {_shown_default(option)})".replace("%", "%%")
        if option.kind is bool:
            groups[option.section].add_argument(
                option.flag, action=argparse.BooleanOptionalAction, default=None, help=text, dest=option.name
            )
        else:
            groups[option.section].add_argument(
                option.flag, metavar=option.unit.upper() or "VALUE", help=text, dest=option.name
            )


def _shown_default(option: Option) -> str:
    if option.kind is bool:
        return "on" if option.default else "off"
    text = (
        ",".join(option.default)
        if option.is_list
        else format(option.default, "g" if option.kind is float else "")
    )
    return f"{text} {option.unit}" if text and option.unit in ("s", "bytes") else text or "none"


def _load(given: Mapping[str, Any]) -> Config:
    """Read the file and the environment (again), and add the flags that were given.

    Raises:
        SetupError: the configuration is wrong.
    """
    from hornet.config import load_config, options

    flags = {option.name: given[option.name] for option in options() if given[option.name] is not None}
    return load_config(flags, os.environ, given["config"])


def _hornet_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hornet",
        description="Make tokens and publish messages by hand; check a configuration.",
        epilog="The server itself is hornet-server.",
    )
    parser.add_argument("--version", action="version", version=f"Hornet v{__version__}")
    parser.set_defaults(answer=None)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")

    token = commands.add_parser(
        "token", help="make a one-time token", description="Make a one-time token and print it."
    )
    token.add_argument("channels", nargs="+", metavar="CHANNEL", help="channel the token opens")
    token.add_argument(
        "--ttl",
        type=int,
        default=DEFAULT_TOKEN_TTL_S,
        metavar="S",
        help="how long it lives unused (default: %(default)s s)",
    )
    token.set_defaults(run=_token)

    publish = commands.add_parser(
        "publish",
        help="publish a message",
        description="Publish a message and print how many nodes heard it.",
    )
    publish.add_argument("channel", metavar="CHANNEL")
    publish.add_argument("type", metavar="TYPE", help="the message's type")
    publish.add_argument(
        "message",
        nargs="?",
        default="{}",
        metavar="JSON",
        help="the message, a JSON object (default: %(default)s)",
    )
    publish.add_argument(
        "--only", action="append", metavar="TOKEN", help="deliver to this token only (repeatable)"
    )
    publish.add_argument(
        "--except", action="append", metavar="TOKEN", dest="exclude", help="leave this token out (repeatable)"
    )
    publish.set_defaults(run=_publish)

    check = commands.add_parser(
        "check-config",
        allow_abbrev=False,
        help="check the configuration of a server, and start nothing",
        description="Check the options, the environment and the file that hornet-server would be started "
        "with, and print what they change.",
    )
    _add_options(check)
    check.set_defaults(answer=_check_config)
    commands.add_parser(
        "config-doc",
        help="print the configuration reference",
        description="Print every option of hornet-server, as a page in Markdown.",
    ).set_defaults(answer=_config_doc)

    for command in (token, publish):
        command.add_argument(
            "--redis", default=os.environ.get("HORNET_REDIS") or DEFAULT_URL, metavar="URL",
            help=f"Redis to use (default: HORNET_REDIS, else {DEFAULT_URL})",
        )  # fmt: skip
    return parser


def _check_config(arguments: argparse.Namespace) -> str:
    """Return the options that differ from their defaults, one in each line.

    Raises:
        SetupError: a server would not start with this configuration.
    """
    from hornet.config import options
    from hornet.process.listen import tls_context

    config = _load(vars(arguments))
    parse_url(config.redis.redis or DEFAULT_URL)
    tls_context(config.server)
    lines = []
    for option in options():
        value = getattr(getattr(config, option.section), option.field)
        if value != option.default:
            text = ",".join(value) if option.is_list else value
            lines.append(f"{option.name} = {'***' if option.secret else text}")
    return "\n".join(lines or ["All options have their default."])


def _config_doc(_: argparse.Namespace) -> str:
    from hornet.config_doc import render

    return render().rstrip()


async def _ask_redis(arguments: argparse.Namespace) -> object:
    """Run a command through the server's own client, so that it takes the same URLs as the server."""
    client = connect(parse_url(arguments.redis), REDIS_TIMEOUT_S)
    try:
        return await arguments.run(AsyncConnector(client), arguments)
    finally:
        await client.aclose()


async def _token(connector: AsyncConnector, arguments: argparse.Namespace) -> str:
    return await connector.create_access_token(arguments.channels, ttl=arguments.ttl)


async def _publish(connector: AsyncConnector, arguments: argparse.Namespace) -> int:
    try:
        message = parse_json(arguments.message)
    except ValueError:
        raise ValueError(f"the message is not JSON: {arguments.message}") from None
    if not isinstance(message, dict):
        raise ValueError("the message is JSON, but not an object")
    addressed = {"only": arguments.only, "except": arguments.exclude}
    return await connector.publish(arguments.channel, arguments.type, message, addressed)
