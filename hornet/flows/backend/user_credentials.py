"""What a backend registers for its users, so that their pages can show who they are."""

from __future__ import annotations

from hornet.broker.user_sessions import UserSessionStore
from hornet.core.user_sessions import UserSession


class UserCredentials:
    """One session id per user: registering another one replaces it. Each call may raise RedisUnavailable."""

    def __init__(self, store: UserSessionStore) -> None:
        self._store = store

    async def register(self, user: str, session_id: str, ttl_s: int | None) -> None:
        """Have ``session_id`` prove its bearer to be ``user``, for ``ttl_s`` or until it is removed."""
        await self._store.set(user, session_id, ttl_s)

    async def is_valid(self, user: str, session_id: str) -> bool:
        """True for the id that is registered for the user now."""
        registered = await self._store.get(user)
        return registered is not None and UserSession(user, session_id).matches(registered)

    async def remove(self, user: str) -> bool:
        """Take the id back; True if there was one. Sessions that it let in stay."""
        return await self._store.remove(user)
