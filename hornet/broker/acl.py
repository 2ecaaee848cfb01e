"""The rights of a node in the ACL of Redis: the check at the start, and the rules that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from redis.exceptions import NoPermissionError

from hornet.broker.client import RedisUrl, await_redis, connect_subscriber
from hornet.broker.failures import FAILURES, explain
from hornet.broker.keys import EMITTERS_GLOB, OWN_PREFIX
from hornet.core.errors import RefusedByRedis, SetupError


def missing_rule(command: bytes, name: str, reason: str) -> str:
    """Return the rule that a user of Redis lacks to subscribe to ``name``, as ``ACL SETUSER`` takes it.

    ``reason`` is the answer of Redis. Redis permits a glob only if one of the user's rules is the same text,
    or by ``allchannels``.
    """
    if "permissions to run" in reason:
        return f"+{command.decode().lower()}"
    if command == b"SUBSCRIBE" and name.startswith(OWN_PREFIX):
        return f"&{OWN_PREFIX}*"
    return f"&{name}"


def refusal(command: bytes, name: str, reason: str) -> RefusedByRedis:
    """Return the error for a subscription that Redis refuses; it names the rule that is missing."""
    rule = missing_rule(command, name, reason)
    return RefusedByRedis(f"it does not permit to listen on {name!r}: its user lacks {rule}")


async def check_rights(url: RedisUrl, timeout_s: float, *, emitters: bool, topics: Iterable[str]) -> None:
    """Subscribe for a moment to ``topics``, and to the topics of emitters, before any client is let in.

    Where Redis goes away meanwhile, the check passes.

    Raises:
        SetupError: Redis refuses some of them; one sentence, with all the rules that are missing.
    """
    subscriptions = [(b"SUBSCRIBE", name) for name in topics]
    if emitters:
        subscriptions.append((b"PSUBSCRIBE", EMITTERS_GLOB))
    missing = await _missing_rules(url, timeout_s, subscriptions)
    if not missing:
        return
    rules = " ".join(dict.fromkeys(missing.values()))
    emitters_rule = missing.get(EMITTERS_GLOB)
    raise SetupError(
        f"Redis at {url} does not let Hornet's user listen where a node must: give it {rules} by ACL SETUSER"
        + (f"; --no-emitters does without {emitters_rule}." if emitters_rule else ".")
    )


async def _missing_rules(
    url: RedisUrl, timeout_s: float, subscriptions: Iterable[tuple[bytes, str]]
) -> dict[str, str]:
    """Return the missing rules by the topic or glob that needs them."""
    client = connect_subscriber(url, timeout_s)
    missing: dict[str, str] = {}
    try:
        with suppress(*FAILURES):
            connection = await await_redis(client.connection_pool.get_connection())
            try:
                for command, name in subscriptions:
                    if rule := await _missing_rule(connection, command, name):
                        missing[name] = rule
            finally:
                await connection.disconnect(nowait=True)
                await client.connection_pool.release(connection)
    finally:
        await client.aclose()
    return missing


async def _missing_rule(connection: Any, command: bytes, name: str) -> str:
    """Return the missing rule for one subscription, or "" where Redis permits it."""
    await await_redis(connection.send_command(command, name, check_health=False))
    try:
        await connection.read_response(disconnect_on_error=False, push_request=True)
    except NoPermissionError as error:
        return missing_rule(command, name, explain(error))
    return ""
