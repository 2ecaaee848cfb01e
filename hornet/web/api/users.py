"""Operations on users: see, subscribe and disconnect them.

All of them need Redis alone, so it makes no difference on which nodes a user is.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, UnsetType

from hornet.core import codes
from hornet.web.api.auth import Right
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
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation
from hornet.web.api.problems import Problem

DEFAULT_LIMIT = 100

T = TypeVar("T")


class DisconnectedUsers(Request, frozen=True, kw_only=True):
    """Users whose sessions are to end. They may come back with another credential."""

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


async def list_users(services: ApiServices, call: Call[UserListing, Nothing]) -> UsersAnswer:
    listing = call.params
    users = await services.users.online(after=listing.after, limit=listing.limit)
    online = await services.users.count_online()
    return UsersAnswer(users=users, online=online, next=users[-1] if len(users) == listing.limit else UNSET)


async def get_user(services: ApiServices, call: Call[OneUser, Nothing]) -> UserAnswer:
    user = call.params.user
    sessions = [
        UserSessionEntry(
            session=session.session, node=session.node, address=session.address, since_ms=session.since_ms
        )
        for session in await services.users.sessions(user)
    ]
    online = await services.users.is_online(user)
    channels = await services.users.channels(user)
    return UserAnswer(user=user, online=online, sessions=sessions, channels=channels)


async def subscribe(services: ApiServices, call: Call[OneUser, SubscribedChannels]) -> Changed:
    subscribing = services.users.subscribe(call.params.user, listed(call.body.channels))
    return Changed(changed=await _checked(subscribing))


async def unsubscribe(services: ApiServices, call: Call[OneUser, UnsubscribedChannels]) -> Changed:
    user, channels = call.params.user, call.body.channels
    if channels is UNSET:
        return Changed(changed=await _checked(services.users.unsubscribe_all(user)))
    return Changed(changed=await _checked(services.users.unsubscribe(user, listed(channels))))


async def list_subscribed(
    services: ApiServices, call: Call[OneChannelOfUsers, Nothing]
) -> SubscribedUsersAnswer:
    return SubscribedUsersAnswer(users=await services.users.subscribed(call.params.channel))


async def disconnect(services: ApiServices, call: Call[Nothing, DisconnectedUsers]) -> Told:
    return Told(nodes=await _checked(services.users.disconnect(call.body.users)))


async def _checked(query: Awaitable[T]) -> T:
    """Return the result of ``query``.

    Raises:
        Problem: ``INVALID_REQUEST`` for a malformed user, channel or event.
    """
    try:
        return await query
    except ValueError as error:
        raise Problem(codes.INVALID_REQUEST, str(error)) from None


OPERATIONS = (
    Operation(
        name="listUsers",
        method="GET",
        path="/api/users",
        right=Right.READ,
        summary="List the users that are online",
        handler=list_users,
        answer=UsersAnswer,
        params=UserListing,
    ),
    Operation(
        name="getUser",
        method="GET",
        path="/api/users/{user}",
        right=Right.READ,
        summary="See one user",
        handler=get_user,
        answer=UserAnswer,
        params=OneUser,
    ),
    Operation(
        name="subscribeUser",
        method="POST",
        path="/api/users/{user}/subscribe",
        right=Right.MANAGE,
        summary="Subscribe a user to channels",
        handler=subscribe,
        answer=Changed,
        params=OneUser,
        body=SubscribedChannels,
    ),
    Operation(
        name="unsubscribeUser",
        method="POST",
        path="/api/users/{user}/unsubscribe",
        right=Right.MANAGE,
        summary="Take channels of a user back",
        handler=unsubscribe,
        answer=Changed,
        params=OneUser,
        body=UnsubscribedChannels,
    ),
    Operation(
        name="listSubscribedUsers",
        method="GET",
        path="/api/channels/{channel}/users",
        right=Right.READ,
        summary="List the users subscribed to a channel",
        handler=list_subscribed,
        answer=SubscribedUsersAnswer,
        params=OneChannelOfUsers,
    ),
    Operation(
        name="disconnectUsers",
        method="POST",
        path="/api/disconnect/users",
        right=Right.MANAGE,
        summary="End the sessions of users",
        handler=disconnect,
        answer=Told,
        body=DisconnectedUsers,
    ),
)
