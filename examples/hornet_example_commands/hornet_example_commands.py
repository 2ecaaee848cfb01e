"""Commands that clients of Hornet may call, and a plug-in that listens to Redis and to clients.

Hornet finds them by the entry points in pyproject.toml.
"""

import logging
import secrets
from functools import partial
from typing import Annotated

import msgspec

from hornet.plugins import CommandError, Context, NodeInterface, command

log = logging.getLogger(__name__)


class Dice(msgspec.Struct, forbid_unknown_fields=True):
    """The data of a call: ``{"dice": 2, "sides": 6}``. Both fields are optional."""

    dice: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    sides: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 6


@command(validate=partial(msgspec.convert, type=Dice))
async def roll(context: Context, dice: Dice) -> dict[str, object]:
    """Roll dice for a user. Refuse a guest with a code of this plug-in's own."""
    if context.user is None:
        raise CommandError("USERS_ONLY", "Guests don't roll dice")
    rolled = [secrets.randbelow(dice.sides) + 1 for _ in range(dice.dice)]
    return {"rolled": rolled, "sum": sum(rolled)}


@command()
async def whoami(context: Context, data: object) -> dict[str, object]:
    """Tell a client what Hornet knows about its session. Ignore the data."""
    return {"id": context.session_id, "user": context.user, "channels": sorted(context.channels)}


@command()
async def enter(context: Context, data: object) -> dict[str, object]:
    """Let a client into the room, say so to everybody there, and tell the client who is there."""
    await context.subscribe("room")
    await context.publish("room", "entered", {"user": context.user}, {"except": context.session_id})
    return {"members": [member["user"] for member in await context.members("room")]}


def set_up(node: NodeInterface) -> None:
    """Log what is published on the Redis channel ``orders``, and the events of clients.

    Hornet calls this when it starts with ``--plugins example``.
    """
    node.listen("orders", lambda topic, payload: log.info("An order of %d bytes", len(payload)))
    node.signals.client_event.connect(
        lambda session, event, args: log.info("Session %s emitted %s", session.sid, event)
    )
    node.signals.redis_lost.connect(lambda: log.warning("No orders can be heard"))
    node.signals.redis_connected.connect(lambda: log.info("Orders can be heard"))
