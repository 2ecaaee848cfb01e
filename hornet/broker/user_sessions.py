"""The session ids that backends register for their users, in Redis."""

from __future__ import annotations

from hornet.broker.client import Client, call
from hornet.broker.keys import user_session_key


class UserSessionStore:
    """One session id per user: registering another one replaces it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, user: str) -> bytes | None:
        """The id registered for a user, if any.

        Raises:
            RedisUnavailable: not known.
        """
        registered: bytes | None = await call(self._client.get, user_session_key(user))
        return registered

    async def set(self, user: str, session_id: str, ttl_s: int | None = None) -> None:
        """Register ``session_id`` for a user, for ``ttl_s`` or until it is removed.

        Raises:
            RedisUnavailable: not known whether it is registered.
        """
        await call(self._client.set, user_session_key(user), session_id, ex=ttl_s)

    async def remove(self, user: str) -> bool:
        """Take the id back; True if there was one. Sessions that it let in stay.

        Raises:
            RedisUnavailable: it may be there still.
        """
        return bool(await call(self._client.delete, user_session_key(user)))
