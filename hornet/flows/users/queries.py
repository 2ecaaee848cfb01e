"""Users as a backend sees them: the whole cluster, whichever node it asks.

All goes to Redis alone, so it makes no difference on which nodes the user is. Each call raises
``RedisUnavailable`` where Redis does not answer, and ``ValueError`` for what is no user, channel or event.
"""

from __future__ import annotations

from collections.abc import Iterable

from hornet.broker import user_commands as orders
from hornet.broker.user_commands import RedisCommand, User
from hornet.broker.users import ConnectedSession, UserLists


class UserQueries:
    """Finds users, their sessions and channels; notifies, subscribes and disconnects them."""

    def __init__(self, lists: UserLists) -> None:
        self._lists = lists

    # Finding -------------------------------------------------------------------------------------

    async def count_online(self) -> int:
        """How many users are online. One whose last session ended is, until the grace period is over."""
        return await self._lists.count_online()

    async def online(self, *, after: str = "", limit: int = 100) -> list[str]:
        """A page of those online, sorted by id; the next page is what comes ``after`` its last."""
        return await self._lists.online(after, limit)

    async def is_online(self, user: User) -> bool:
        return await self._lists.ask(orders.online_command(user)) is not None

    async def sessions(self, user: str) -> list[ConnectedSession]:
        """The user's sessions on all nodes, the oldest first; none in the grace period."""
        return await self._lists.sessions(user)

    async def channels(self, user: User) -> list[str]:
        """The channels to which the backend subscribed the user, sorted."""
        return _texts(await self._lists.ask(orders.channels_command(user)))

    async def subscribed(self, channel: str) -> list[str]:
        """The users that the backend subscribed to the channel, online or not, sorted."""
        return _texts(await self._lists.ask(orders.channel_users_command(channel)))

    # Acting --------------------------------------------------------------------------------------

    async def notify(self, users: User | Iterable[User], event: str, payload: object = None) -> int:
        """Emit an event to every session of the users; how many nodes heard it, summed over the users."""
        return await self._ask_all(orders.notify_commands(users, event, payload))

    async def disconnect(self, users: User | Iterable[User]) -> int:
        """End every session of the users for good; how many nodes heard it, summed over the users."""
        return await self._ask_all(orders.disconnect_user_commands(users))

    async def subscribe(self, user: User, channels: str | Iterable[str]) -> int:
        """Have the user's sessions, present and future, in the channels; how many of these are new."""
        return int(await self._lists.ask(orders.subscribe_command(user, channels)))

    async def unsubscribe(self, user: User, channels: str | Iterable[str]) -> int:
        """Take that back; how many of the channels the user had."""
        return int(await self._lists.ask(orders.unsubscribe_command(user, channels)))

    async def unsubscribe_all(self, user: User) -> int:
        """Take all of the user's channels back that are listed now; how many they were."""
        channels = await self.channels(user)
        return await self.unsubscribe(user, channels) if channels else 0

    async def _ask_all(self, commands: Iterable[RedisCommand]) -> int:
        return sum([int(await self._lists.ask(command)) for command in commands])


def _texts(found: Iterable[bytes]) -> list[str]:
    return sorted(one.decode() for one in found)
