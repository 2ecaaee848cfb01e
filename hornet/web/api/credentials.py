"""Operations on the session ids by which users' pages show who they are."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hornet.core.user_sessions import MAX_SESSION_ID_CHARS
from hornet.flows.backend.user_credentials import UserCredentials
from hornet.web.api.fields import Answer, Request, User
from hornet.web.api.keys import Right
from hornet.web.api.operation import Call, Nothing, Operation

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
    """The session id that proves its bearer to be this user from now on; one before it counts no more."""

    session_id: SecretId
    ttl: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_TTL_S)] | None,
        Meta(description="Seconds for which it is good; without, until it is removed."),
    ] = None


class ShownCredential(Request, frozen=True, kw_only=True):
    """A session id that somebody shows."""

    session_id: SecretId


class Registered(Answer, frozen=True, kw_only=True, omit_defaults=False):
    user: str


class Checked(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """Whether it is the one that is registered for the user."""

    valid: bool


class Removed(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """Whether there was one. Sessions that came with it stay."""

    removed: bool


class CredentialOperations:
    """Registers, checks and removes."""

    def __init__(self, credentials: UserCredentials) -> None:
        self._credentials = credentials

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "registerCredential", "PUT", PATH, Right.MANAGE, "Register the session id of a user",
                self._register, Registered, OwnerOfCredential, NewCredential,
            ),
            Operation(
                "removeCredential", "DELETE", PATH, Right.MANAGE, "Take the session id of a user back",
                self._remove, Removed, OwnerOfCredential,
            ),
            Operation(
                "checkCredential", "POST", f"{PATH}/check", Right.MANAGE, "Check the session id of a user",
                self._check, Checked, OwnerOfCredential, ShownCredential,
            ),
        ]  # fmt: skip

    async def _register(self, call: Call[OwnerOfCredential, NewCredential]) -> Registered:
        await self._credentials.register(call.params.user, call.body.session_id, call.body.ttl)
        return Registered(user=call.params.user)

    async def _remove(self, call: Call[OwnerOfCredential, Nothing]) -> Removed:
        return Removed(removed=await self._credentials.remove(call.params.user))

    async def _check(self, call: Call[OwnerOfCredential, ShownCredential]) -> Checked:
        return Checked(valid=await self._credentials.is_valid(call.params.user, call.body.session_id))
