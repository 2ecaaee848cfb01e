"""Operations on users: see, subscribe, disconnect them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, UnsetType

from hornet.core import codes
from hornet.flows.users.queries import UserQueries
from hornet.web.api.fields import (
    After,
    Answer,
    ChannelName,
    Channels,
    Limit,
    Request,
    User,
    Users,
    listed,
)
from hornet.web.api.keys import Right
from hornet.web.api.operation import Call, Nothing, Operation
from hornet.web.api.problems import Problem

DEFAULT_LIMIT = 100

T = TypeVar("T")


class DisconnectedUsers(Request, frozen=True, kw_only=True):
    """Users whose sessions are to end for good. They may come back with another credential."""

    users: Users


class Told(Answer, frozen=True, kw_only=True):
    """How many nodes were told, summed over the users: 0 means that none of them is there."""

    nodes: int


class UserListing(Request, frozen=True, kw_only=True):
    after: After = ""
    limit: Limit = DEFAULT_LIMIT


class OneUser(Request, frozen=True, kw_only=True):
    user: User


class OneChannelOfUsers(Request, frozen=True, kw_only=True):
    channel: ChannelName


class UsersAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """A page of the users that are online, sorted by id, and how many there are in all."""

    users: list[str]
    online: int
    next: Annotated[
        str | UnsetType, Meta(description="Ask with this as `after` for more; absent at the end.")
    ] = UNSET


class UserSessionEntry(Answer, frozen=True, kw_only=True):
    """A session of the user. `since_ms` is Unix time in milliseconds."""

    session: str
    node: str
    address: str
    since_ms: int


class UserAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """A user is online with a session, and for the grace period after the last one."""

    user: str
    online: bool
    sessions: list[UserSessionEntry]
    channels: Annotated[list[str], Meta(description="Those to which the backend subscribed the user.")]


class SubscribedUsersAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """The users whom the backend subscribed to the channel, online or not."""

    users: list[str]


class SubscribedChannels(Request, frozen=True, kw_only=True):
    """Channels for all sessions of the user, present and future."""

    channels: Channels


class UnsubscribedChannels(Request, frozen=True, kw_only=True):
    """Channels to take back; without any, all of them."""

    channels: Channels | UnsetType = UNSET


class Changed(Answer, frozen=True, kw_only=True):
    """How many of the channels are new, or were the user's before."""

    changed: int


class UserOperations:
    """All goes to Redis alone, so it makes no difference on which nodes a user is."""

    def __init__(self, directory: UserQueries) -> None:
        self._directory = directory

    def operations(self) -> list[Operation]:
        manage, read = Right.MANAGE, Right.READ
        return [
            Operation(
                "listUsers", "GET", "/api/users", read, "List the users that are online",
                self._list, UsersAnswer, UserListing,
            ),
            Operation(
                "getUser", "GET", "/api/users/{user}", read, "See one user",
                self._get, UserAnswer, OneUser,
            ),
            Operation(
                "subscribeUser", "POST", "/api/users/{user}/subscribe", manage,
                "Subscribe a user to channels", self._subscribe, Changed, OneUser, SubscribedChannels,
            ),
            Operation(
                "unsubscribeUser", "POST", "/api/users/{user}/unsubscribe", manage,
                "Take channels of a user back", self._unsubscribe, Changed, OneUser, UnsubscribedChannels,
            ),
            Operation(
                "listSubscribedUsers", "GET", "/api/channels/{channel}/users", read,
                "List the users subscribed to a channel", self._subscribed, SubscribedUsersAnswer,
                OneChannelOfUsers,
            ),
            Operation(
                "disconnectUsers", "POST", "/api/disconnect/users", manage, "End the sessions of users",
                self._disconnect, Told, body=DisconnectedUsers,
            ),
        ]  # fmt: skip

    async def _list(self, call: Call[UserListing, Nothing]) -> UsersAnswer:
        asked = call.params
        users = await self._directory.online(after=asked.after, limit=asked.limit)
        online = await self._directory.count_online()
        return UsersAnswer(users=users, online=online, next=users[-1] if len(users) == asked.limit else UNSET)

    async def _get(self, call: Call[OneUser, Nothing]) -> UserAnswer:
        user = call.params.user
        sessions = [
            UserSessionEntry(session=one.session, node=one.node, address=one.address, since_ms=one.since_ms)
            for one in await self._directory.sessions(user)
        ]
        online = await self._directory.is_online(user)
        channels = await self._directory.channels(user)
        return UserAnswer(user=user, online=online, sessions=sessions, channels=channels)

    async def _subscribe(self, call: Call[OneUser, SubscribedChannels]) -> Changed:
        asked = self._directory.subscribe(call.params.user, listed(call.body.channels))
        return Changed(changed=await _checked(asked))

    async def _unsubscribe(self, call: Call[OneUser, UnsubscribedChannels]) -> Changed:
        user, channels = call.params.user, call.body.channels
        if channels is UNSET:
            return Changed(changed=await _checked(self._directory.unsubscribe_all(user)))
        return Changed(changed=await _checked(self._directory.unsubscribe(user, listed(channels))))

    async def _subscribed(self, call: Call[OneChannelOfUsers, Nothing]) -> SubscribedUsersAnswer:
        return SubscribedUsersAnswer(users=await self._directory.subscribed(call.params.channel))

    async def _disconnect(self, call: Call[Nothing, DisconnectedUsers]) -> Told:
        return Told(nodes=await _checked(self._directory.disconnect(call.body.users)))


async def _checked(asked: Awaitable[T]) -> T:
    """What was asked for.

    Raises:
        Problem: ``INVALID_REQUEST`` for what is no user, channel or event.
    """
    try:
        return await asked
    except ValueError as error:
        raise Problem(codes.INVALID_REQUEST, str(error)) from None
