"""Users as a backend sees them: in the whole cluster, on whichever node it asks.

All queries need Redis alone, so it makes no difference on which nodes a user is. Each method raises
``RedisUnavailable`` where Redis does not answer, and ``ValueError`` for a malformed user, channel or event.
"""

from __future__ import annotations

from collections.abc import Iterable

from hornet.broker import user_commands
from hornet.broker.history import HistoryStore, Publication
from hornet.broker.keys import user_of
from hornet.broker.user_commands import RedisCommand, User
from hornet.broker.users import ConnectedSession, UserLists
from hornet.flows.recovery.record_deletions import RecordDeletions


class UserQueries:
    """Finds users, their sessions and channels; notifies, subscribes and disconnects them."""

    def __init__(self, lists: UserLists, history: HistoryStore, deletions: RecordDeletions) -> None:
        self._lists = lists
        self._history = history
        self._deletions = deletions

    # Finding -------------------------------------------------------------------------------------

    async def count_online(self) -> int:
        """Count the users online. A user stays online for the grace period after its last session."""
        return await self._lists.count_online()

    async def online(self, *, after: str = "", limit: int = 100) -> list[str]:
        """List a page of the users online, sorted by id; the next page begins ``after`` the last of them."""
        return await self._lists.online(after, limit)

    async def is_online(self, user: User) -> bool:
        """Check whether the user has a session, or had one within the grace period."""
        return await self._lists.ask(user_commands.online_command(user)) is not None

    async def sessions(self, user: str) -> list[ConnectedSession]:
        """List the user's sessions on all nodes, the oldest first; none in the grace period."""
        return await self._lists.sessions(user)

    async def channels(self, user: User) -> list[str]:
        """List the channels to which the backend subscribed the user, sorted."""
        return _texts(await self._lists.ask(user_commands.channels_command(user)))

    async def subscribed(self, channel: str) -> list[str]:
        """List the users that the backend subscribed to the channel, online or not, sorted."""
        return _texts(await self._lists.ask(user_commands.channel_users_command(channel)))

    # Acting --------------------------------------------------------------------------------------

    async def notify(self, users: User | Iterable[User], event: str, payload: object = None) -> int:
        """Emit an event to every session of the users; return how many nodes heard it, summed over users."""
        commands = user_commands.notify_commands(users, event, payload)
        recorded = await self._history.publish([Publication(topic, text) for _, topic, text in commands])
        return sum(publish.nodes for publish in recorded)

    async def disconnect(self, users: User | Iterable[User]) -> int:
        """Disconnect every session of the users; return how many nodes heard it, summed over users.

        Sessions that lost their connection don't come back, even if no node has the user now.
        """
        commands = user_commands.disconnect_user_commands(users)
        for _, topic, _ in commands:
            self._deletions.forget_user(user_of(topic))
        return await self._ask_all(commands)

    async def subscribe(self, user: User, channels: str | Iterable[str]) -> int:
        """Subscribe all sessions of the user, later ones too, to the channels; return how many are new."""
        return int(await self._lists.ask(user_commands.subscribe_command(user, channels)))

    async def unsubscribe(self, user: User, channels: str | Iterable[str]) -> int:
        """Undo :meth:`subscribe`; return to how many of the channels the user was subscribed."""
        return int(await self._lists.ask(user_commands.unsubscribe_command(user, channels)))

    async def unsubscribe_all(self, user: User) -> int:
        """Undo :meth:`subscribe` for every channel that is listed now; return how many there were."""
        channels = await self.channels(user)
        return await self.unsubscribe(user, channels) if channels else 0

    async def _ask_all(self, commands: Iterable[RedisCommand]) -> int:
        return sum([int(await self._lists.ask(command)) for command in commands])


def _texts(names: Iterable[bytes]) -> list[str]:
    return sorted(name.decode() for name in names)
