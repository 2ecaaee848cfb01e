"""Operations on the session ids with which pages of users prove who they are."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hornet.core.user_sessions import MAX_SESSION_ID_CHARS
from hornet.web.api.auth import Right
from hornet.web.api.fields import Answer, Request, User
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation

MAX_TTL_S = 31_536_000
PATH = "/api/users/{user}/credential"

SecretId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_SESSION_ID_CHARS,
        description="The id that the user's pages show as `hash`.",
    ),
]


class OwnerOfCredential(Request, frozen=True, kw_only=True):
    user: User


class NewCredential(Request, frozen=True, kw_only=True):
    """The session id that proves its bearer to be this user. It replaces the id registered before."""

    session_id: SecretId
    ttl: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_TTL_S)] | None,
        Meta(description="Seconds for which it is good; without, until it is removed."),
    ] = None


class ShownCredential(Request, frozen=True, kw_only=True):
    """A session id to check."""

    session_id: SecretId


class Registered(Answer, frozen=True, kw_only=True, omit_defaults=False):
    user: str


class Checked(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """Whether the session id is the one that is registered for the user."""

    valid: bool


class Removed(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """Whether the user had a registered session id. Sessions that it let in stay."""

    removed: bool


async def register(services: ApiServices, call: Call[OwnerOfCredential, NewCredential]) -> Registered:
    await services.backend.register_credential(call.params.user, call.body.session_id, call.body.ttl)
    return Registered(user=call.params.user)


async def remove(services: ApiServices, call: Call[OwnerOfCredential, Nothing]) -> Removed:
    return Removed(removed=await services.backend.remove_credential(call.params.user))


async def check(services: ApiServices, call: Call[OwnerOfCredential, ShownCredential]) -> Checked:
    return Checked(valid=await services.backend.is_credential(call.params.user, call.body.session_id))


OPERATIONS = (
    Operation(
        name="registerCredential",
        method="PUT",
        path=PATH,
        right=Right.MANAGE,
        summary="Register the session id of a user",
        handler=register,
        answer=Registered,
        params=OwnerOfCredential,
        body=NewCredential,
    ),
    Operation(
        name="removeCredential",
        method="DELETE",
        path=PATH,
        right=Right.MANAGE,
        summary="Take the session id of a user back",
        handler=remove,
        answer=Removed,
        params=OwnerOfCredential,
    ),
    Operation(
        name="checkCredential",
        method="POST",
        path=f"{PATH}/check",
        right=Right.MANAGE,
        summary="Check the session id of a user",
        handler=check,
        answer=Checked,
        params=OwnerOfCredential,
        body=ShownCredential,
    ),
)
