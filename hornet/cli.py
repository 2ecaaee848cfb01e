"""The two commands: ``hornet-server`` runs a node, ``hornet`` is for the person beside it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from redis.exceptions import RedisError

from hornet._version import __version__
from hornet.config import Config, load_config, options
from hornet.connector import Connector
from hornet.connector.commands import DEFAULT_URL
from hornet.core.errors import HornetError, SetupError
from hornet.core.tokens import DEFAULT_TOKEN_TTL_S

EXIT_FAILED = 1
EXIT_USAGE = 2


def serve(argv: Sequence[str] | None = None) -> int:
    """``hornet-server``: run a node until it is told to stop. Returns the exit code."""
    from hornet.serving import run_server  # the server is loaded only where it is run

    try:
        config = _server_config(argv)
    except SetupError as error:
        print(f"hornet-server: {error}", file=sys.stderr)
        return EXIT_USAGE
    try:
        return run_server(config)
    except SetupError as error:
        print(f"hornet-server: {error}", file=sys.stderr)
        return EXIT_FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """``hornet``: make tokens and publish by hand. Returns the exit code."""
    arguments = _hornet_parser().parse_args(argv)
    try:
        with Connector(arguments.redis) as connector:
            print(arguments.run(connector, arguments))
    except (HornetError, ValueError) as error:
        print(f"hornet: {error}", file=sys.stderr)
        return EXIT_USAGE
    except RedisError as error:
        print(f"hornet: Redis can't be used: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence; argparse would print the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see {self.prog} --help.\n")


def server_parser() -> argparse.ArgumentParser:
    """The options of ``hornet-server``, made from the configuration's sections."""
    parser = _Parser(
        prog="hornet-server",
        allow_abbrev=False,
        description="Hornet: a Socket.IO-compatible realtime pub/sub server. "
        "Without options it listens on port 8187 and uses the Redis on this machine, or starts its own.",
        epilog="Each option may also be set in the environment (HORNET_AUTH_TIMEOUT for --auth-timeout) "
        "or in the file named by --config (auth_timeout); flags win, then the environment.",
    )
    parser.add_argument("--version", action="version", version=f"Hornet v{__version__}")
    parser.add_argument("--config", metavar="FILE", type=Path, help="TOML or JSON file with options")
    groups: dict[str, Any] = {}
    for one in options():
        group = groups.setdefault(one.section, None) or parser.add_argument_group(one.section)
        groups[one.section] = group
        shown = ",".join(one.default) if one.is_list else one.default
        text = one.doc.replace("%", "%%") + (f" (default: {shown})" if shown not in ("", None) else "")
        if one.kind is bool:
            action = argparse.BooleanOptionalAction
            group.add_argument(one.flag, action=action, default=None, help=text, dest=one.name)
        else:
            group.add_argument(one.flag, metavar=one.unit.upper() or "VALUE", help=text, dest=one.name)
    return parser


def _server_config(argv: Sequence[str] | None) -> Config:
    given = vars(server_parser().parse_args(argv))
    file = given.pop("config")
    flags = {name: value for name, value in given.items() if value is not None}
    return load_config(flags, os.environ, file)


def _hornet_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hornet", description="Make tokens and publish messages by hand.")
    parser.add_argument("--version", action="version", version=f"Hornet v{__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    token = commands.add_parser(
        "token", help="make a one-time token", description="Make a one-time token and print it."
    )
    token.add_argument("channels", nargs="+", metavar="CHANNEL", help="channel the token opens")
    token.add_argument(
        "--ttl", type=int, default=DEFAULT_TOKEN_TTL_S, metavar="S", help="seconds it lives (default: 120)"
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
        "message", nargs="?", default="{}", metavar="JSON", help="the message, a JSON object"
    )
    publish.add_argument(
        "--only", action="append", metavar="TOKEN", help="deliver to this token only (repeatable)"
    )
    publish.add_argument(
        "--except", action="append", metavar="TOKEN", dest="but", help="leave this token out (repeatable)"
    )
    publish.set_defaults(run=_publish)

    for command in (token, publish):
        command.add_argument(
            "--redis", default=os.environ.get("HORNET_REDIS") or DEFAULT_URL, metavar="URL",
            help="Redis to use (default: HORNET_REDIS, else the one on this machine)",
        )  # fmt: skip
    return parser


def _token(connector: Connector, arguments: argparse.Namespace) -> str:
    return connector.create_access_token(arguments.channels, ttl=arguments.ttl)


def _publish(connector: Connector, arguments: argparse.Namespace) -> int:
    try:
        message = json.loads(arguments.message)
    except ValueError:
        raise ValueError(f"the message is not JSON: {arguments.message}") from None
    if not isinstance(message, dict):
        raise ValueError("the message is JSON, but not an object")
    addressed = {"only": arguments.only, "except": arguments.but}
    return connector.publish(arguments.channel, arguments.type, message, addressed)
