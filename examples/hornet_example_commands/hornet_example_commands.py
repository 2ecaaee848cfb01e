"""Two commands that clients of Hornet may call. Hornet finds them by the entry points in setup.cfg."""

import secrets
from functools import partial
from typing import Annotated

import msgspec

from hornet.plugins import CommandError, Context, command


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
