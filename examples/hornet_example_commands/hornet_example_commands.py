"""Two commands that clients of Hornet may call; by the names in setup.cfg it finds them once installed."""

import secrets
from functools import partial
from typing import Annotated

import msgspec

from hornet.plugins import CommandError, Context, command


class Dice(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends: ``{"dice": 2, "sides": 6}``, each optional."""

    dice: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    sides: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 6


@command(validate=partial(msgspec.convert, type=Dice))
async def roll(context: Context, wanted: Dice) -> dict[str, object]:
    """Roll dice, for users only: a guest is refused with a code of this plug-in's own."""
    if context.user is None:
        raise CommandError("USERS_ONLY", "Guests don't roll dice")
    rolled = [secrets.randbelow(wanted.sides) + 1 for _ in range(wanted.dice)]
    return {"rolled": rolled, "sum": sum(rolled)}


@command()
async def whoami(context: Context, data: object) -> dict[str, object]:
    """Tell a client what Hornet knows of it. Any data is taken, and ignored."""
    return {"id": context.session_id, "user": context.user, "channels": sorted(context.channels)}
