"""``hornet token``, ``publish`` and ``history``: what a backend does, through Redis or over HTTP."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hornet.broker.client import connect, parse_url
from hornet.cli.parsing import Parser, add_config_option
from hornet.connector import DEFAULT_URL, AsyncConnector
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.past import DEFAULT_LIMIT
from hornet.core.tokens import DEFAULT_TOKEN_TTL_S

REDIS_TIMEOUT_S = 5.0

REACHING = f"""\
The command goes through Redis, or over HTTP with --url or HORNET_URL. It takes the URL of Redis from --redis,
HORNET_REDIS or the server's configuration file, in this order; else it is {DEFAULT_URL}.
"""


def add_token(commands: Any) -> Parser:
    parser: Parser = commands.add_parser(
        "token",
        help="make a one-time token",
        description="Make a one-time token and print it.",
        epilog=f"examples:\n"
        f"  hornet token news sports\n"
        f"  hornet token chat-7 --user 42 --info '{{\"name\": \"Ana\"}}' --publish 'chat-*'\n\n{REACHING}",
    )
    parser.add_argument("channels", nargs="*", metavar="CHANNEL", help="channel that the token opens")
    parser.add_argument(
        "--ttl",
        type=int,
        default=DEFAULT_TOKEN_TTL_S,
        metavar="S",
        help="how long it lives unused (default: %(default)s s)",
    )
    parser.add_argument("--user", metavar="ID", help="user of the client; such a token may have no channel")
    parser.add_argument("--info", metavar="JSON", help="what other clients may see about the user")
    parser.add_argument(
        "--publish",
        action="append",
        default=[],
        metavar="CHANNEL",
        help="channel on which the client may publish; * is any run of characters (repeatable)",
    )
    parser.set_defaults(run=_token)
    _add_reaching(parser)
    parser.flags += ["--ttl", "--user", "--info", "--publish"]
    return parser


def add_publish(commands: Any) -> Parser:
    parser: Parser = commands.add_parser(
        "publish",
        help="publish a message",
        description="Publish a message and print how many nodes received it.",
        epilog="examples:\n"
        '  hornet publish news headline \'{"text": "It works"}\'\n'
        "  hornet publish news headline --url https://push.example.com    (with HORNET_KEY set)\n\n"
        f"{REACHING}",
    )
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument("type", metavar="TYPE", help="the message's type")
    parser.add_argument(
        "message",
        nargs="?",
        default="{}",
        metavar="JSON",
        help="the message, a JSON object (default: %(default)s)",
    )
    parser.add_argument(
        "--only", action="append", metavar="TOKEN", help="deliver to this token only (repeatable)"
    )
    parser.add_argument(
        "--except", action="append", metavar="TOKEN", dest="exclude", help="leave this token out (repeatable)"
    )
    parser.set_defaults(run=_publish)
    _add_reaching(parser)
    parser.flags += ["--only", "--except"]
    return parser


def add_history(commands: Any) -> Parser:
    parser: Parser = commands.add_parser(
        "history",
        help="print what was published on a channel",
        description="Print the messages of a channel that Redis keeps, one a line, each behind its position.",
        epilog=f"examples:\n"
        f"  hornet history news --newest-first --limit 5\n"
        f"  hornet history news --json\n\n{REACHING}",
    )
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="N",
        help="messages at most (default: %(default)s)",
    )
    parser.add_argument("--since", metavar="POSITION", help="only messages after this position")
    parser.add_argument("--before", metavar="POSITION", help="only messages before this position")
    parser.add_argument("--newest-first", action="store_true", help="begin with the newest message")
    parser.add_argument("--json", action="store_true", help="print the whole answer as one JSON object")
    parser.set_defaults(run=_history)
    _add_reaching(parser)
    parser.flags += ["--limit", "--since", "--before", "--newest-first", "--json"]
    return parser


def _add_reaching(parser: Parser) -> None:
    parser.add_argument(
        "--redis",
        metavar="URL",
        help=f"Redis to use (default: HORNET_REDIS, else the file's, else {DEFAULT_URL})",
    )
    parser.add_argument("--url", metavar="URL", help="URL of a Hornet, to go over HTTP (default: HORNET_URL)")
    parser.add_argument(
        "--key",
        metavar="SECRET",
        help="API key to use over HTTP; HORNET_KEY is safer, because the list of processes does not show it",
    )
    add_config_option(parser)
    parser.flags += ["--redis", "--url", "--key"]


@asynccontextmanager
async def _connector(arguments: argparse.Namespace) -> AsyncIterator[AsyncConnector]:
    """Yield a connector over HTTP or through Redis, as the arguments and the environment say."""
    url = arguments.url or (None if arguments.redis else os.environ.get("HORNET_URL"))
    if url:
        if not url.lower().startswith(("http://", "https://")):
            raise ValueError(
                "--url and HORNET_URL begin with http:// or https://; --redis takes a URL of Redis"
            )
        key = arguments.key or os.environ.get("HORNET_KEY") or None
        async with AsyncConnector(url, key=key) as connector:
            yield connector
        return
    # The server's own client takes the same URLs as the server, Sentinel's and Cluster's too.
    client = connect(parse_url(_find_redis(arguments)), REDIS_TIMEOUT_S)
    try:
        yield AsyncConnector(client)
    finally:
        await client.aclose()


def _find_redis(arguments: argparse.Namespace) -> str:
    if arguments.redis:
        return str(arguments.redis)
    from hornet.config import load_config

    return load_config({}, os.environ, arguments.config).redis.redis or DEFAULT_URL


async def _token(arguments: argparse.Namespace) -> str:
    if not arguments.channels and arguments.user is None:
        raise ValueError("a token needs a CHANNEL, or a user by --user")
    info = None if arguments.info is None else _parse("--info", arguments.info)
    async with _connector(arguments) as connector:
        return await connector.create_access_token(
            arguments.channels, ttl=arguments.ttl, user=arguments.user, info=info, publish=arguments.publish
        )


async def _publish(arguments: argparse.Namespace) -> int:
    message = _parse("the message", arguments.message)
    if not isinstance(message, dict):
        raise ValueError("the message is JSON, but not an object")
    addressed = {"only": arguments.only, "except": arguments.exclude}
    async with _connector(arguments) as connector:
        nodes = await connector.publish(arguments.channel, arguments.type, message, addressed)
    if nodes == 0:
        print(f"hornet: no node has a client in channel {arguments.channel!r}.", file=sys.stderr)
    return nodes


async def _history(arguments: argparse.Namespace) -> str | None:
    async with _connector(arguments) as connector:
        page = await connector.history(
            arguments.channel,
            limit=arguments.limit,
            since=arguments.since,
            before=arguments.before,
            newest_first=arguments.newest_first,
        )
    if arguments.json:
        return dump_json(page)
    if not page["whole"]:
        print("hornet: messages after --since are no longer kept.", file=sys.stderr)
    if page["more"]:
        print("hornet: there are more messages than --limit.", file=sys.stderr)
    lines = [f"{entry['position']} {dump_json(entry['message'])}" for entry in page["messages"]]
    return "\n".join(lines) or None


def _parse(what: str, text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise ValueError(f"{what} is not JSON: {text}") from None
