"""What Redis knows of users, for whoever asks: the whole cluster, not one node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hornet.broker.client import Client, call
from hornet.broker.keys import USERS, user_sessions_key
from hornet.broker.user_commands import RedisCommand
from hornet.core.jsontext import parse_json


@dataclass(frozen=True, slots=True)
class UserSession:
    """One session of a user, anywhere. ``since_ms`` is Unix time in milliseconds."""

    session: str
    node: str
    address: str
    since_ms: int


class UserLists:
    """Reads the users' state. Each call raises ``RedisUnavailable`` where Redis does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def count_online(self) -> int:
        return int(await call(self._client.zcard, USERS))

    async def online(self, after: str, limit: int) -> list[str]:
        """The first ``limit`` of those online whose ids sort after ``after``, in that order."""
        start = f"({after}" if after else "-"
        page = await call(self._client.zrangebylex, USERS, start, "+", 0, limit)
        return [user.decode() for user in page]

    async def sessions(self, user: str) -> list[UserSession]:
        """All sessions of a user, the oldest first."""
        found = await call(self._client.hgetall, user_sessions_key(user))
        sessions = [_session(sid.decode(), parse_json(text)) for sid, text in found.items()]
        return sorted(sessions, key=lambda session: (session.since_ms, session.session))

    async def ask(self, command: RedisCommand) -> Any:
        """The answer to one of the commands in :mod:`hornet.broker.user_commands`."""
        return await call(self._client.execute_command, *command)


def _session(sid: str, fields: dict[str, Any]) -> UserSession:
    return UserSession(sid, fields["node"], fields["address"], int(fields["since"]))
