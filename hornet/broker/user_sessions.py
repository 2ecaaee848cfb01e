"""The session ids that backends register for their users, in Redis."""

from __future__ import annotations

from hornet.broker.client import Client, call
from hornet.broker.keys import user_session_key


class UserSessionStore:
    """Keeps one session id per user: registering another id replaces it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, user: str) -> bytes | None:
        """Return the id that is registered for a user, or None.

        Raises:
            RedisUnavailable: Redis can't be asked.
        """
        registered: bytes | None = await call(self._client.get, user_session_key(user))
        return registered

    async def set(self, user: str, session_id: str, ttl_s: int | None = None) -> None:
        """Register ``session_id`` for a user, for ``ttl_s`` or until it is removed.

        Raises:
            RedisUnavailable: it is not known whether the id is registered.
        """
        await call(self._client.set, user_session_key(user), session_id, ex=ttl_s)

    async def remove(self, user: str) -> bool:
        """Remove a user's id; True if there was one. Sessions that came in with it stay.

        Raises:
            RedisUnavailable: the id may still be registered.
        """
        return bool(await call(self._client.delete, user_session_key(user)))
