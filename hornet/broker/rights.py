"""Whether this node's user of Redis may listen where a node has to: asked before anyone is let in."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from redis.exceptions import NoPermissionError

from hornet.broker.acl import rule_for
from hornet.broker.client import RedisUrl, connect_subscriber, heed
from hornet.broker.failures import FAILURES, explain
from hornet.broker.keys import EMITTERS_GLOB
from hornet.core.errors import SetupError


async def check_rights(url: RedisUrl, timeout_s: float, *, emitters: bool, topics: Iterable[str]) -> None:
    """Subscribe for a moment to ``topics``, and to what emitters publish on.

    Where Redis goes away meanwhile, nothing is found to be missing.

    Raises:
        SetupError: it may not listen on some of them; one sentence, with all the rules that are missing.
    """
    asked = [(b"SUBSCRIBE", name) for name in topics]
    if emitters:
        asked.append((b"PSUBSCRIBE", EMITTERS_GLOB))
    missing = await _missing(url, timeout_s, asked)
    if not missing:
        return
    rules = " ".join(dict.fromkeys(missing.values()))
    spare = missing.get(EMITTERS_GLOB)
    raise SetupError(
        f"Redis at {url} does not let Hornet's user listen where a node must: give it {rules} by ACL SETUSER"
        + (f"; --no-emitters does without {spare}." if spare else ".")
    )


async def _missing(url: RedisUrl, timeout_s: float, asked: Iterable[tuple[bytes, str]]) -> dict[str, str]:
    """The rules that are missing, by what can't be listened on."""
    client = connect_subscriber(url, timeout_s)
    found: dict[str, str] = {}
    try:
        with suppress(*FAILURES):
            connection = await heed(client.connection_pool.get_connection())
            try:
                for command, name in asked:
                    if rule := await _ask(connection, command, name):
                        found[name] = rule
            finally:
                await connection.disconnect(nowait=True)
                await client.connection_pool.release(connection)
    finally:
        await client.aclose()
    return found


async def _ask(connection: Any, command: bytes, name: str) -> str:
    """The rule that is missing, empty if none is."""
    await heed(connection.send_command(command, name, check_health=False))
    try:
        await connection.read_response(disconnect_on_error=False, push_request=True)
    except NoPermissionError as error:
        return rule_for(command, name, explain(error))
    return ""
