"""Both connectors behind one interface, so that one suite says what both must do."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from redis.exceptions import RedisError

from hornet.connector import AsyncConnector, Connector
from hornet.connector.events import CLASSIC_EVENTS

T = TypeVar("T")
Users = str | int | Iterable[str | int]


class Shape(Protocol):
    """A connector, awaited."""

    async def create_access_token(self, channels: str | Iterable[str], *, ttl: int | None = None) -> str: ...

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int: ...

    async def publish_to_pattern(self, pattern: Mapping[str, Any], payload: Any) -> int: ...

    async def disconnect_tokens(self, tokens: str | Iterable[str]) -> int: ...

    async def set_user_session(self, user: str | int, session_id: str, ttl: int | None = None) -> None: ...

    async def remove_user_session(self, user: str | int) -> bool: ...

    async def notify(self, users: Users, event: str, payload: Any = None) -> int: ...

    async def subscribe_user(self, user: str | int, channels: str | Iterable[str]) -> int: ...

    async def unsubscribe_user(self, user: str | int, channels: str | Iterable[str] | None = None) -> int: ...

    async def user_channels(self, user: str | int) -> list[str]: ...

    async def is_online(self, user: str | int) -> bool: ...

    async def disconnect_user(self, users: Users) -> int: ...

    def subscribe(self, events: str | Iterable[str] = ...) -> AsyncIterator[tuple[str, dict[str, Any]]]: ...

    async def close(self) -> None: ...


async def in_thread(call: Callable[..., T], *args: object, **options: object) -> T:
    """Return the result of ``call`` in a thread that may outlive the loop, unlike asyncio's own threads."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            set_it(value)

    def work() -> None:
        try:
            value = call(*args, **options)
        except Exception as error:  # noqa: BLE001  # it is raised where it is awaited
            told: tuple[Callable[[Any], None], object] = (answer.set_exception, error)
        else:
            told = (answer.set_result, value)
        with suppress(RuntimeError):  # the test is over and its loop closed
            loop.call_soon_threadsafe(settle, *told)

    threading.Thread(target=work, daemon=True).start()
    return await answer


class Threaded:
    """The synchronous connector; each call runs in a thread, as in a backend with threads."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def create_access_token(self, channels: str | Iterable[str], *, ttl: int | None = None) -> str:
        return await in_thread(self._connector.create_access_token, channels, ttl=ttl)

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        return await in_thread(self._connector.publish, channels, type, message, options)

    async def publish_to_pattern(self, pattern: Mapping[str, Any], payload: Any) -> int:
        return await in_thread(self._connector.publish_to_pattern, pattern, payload)

    async def disconnect_tokens(self, tokens: str | Iterable[str]) -> int:
        return await in_thread(self._connector.disconnect_tokens, tokens)

    async def set_user_session(self, user: str | int, session_id: str, ttl: int | None = None) -> None:
        await in_thread(self._connector.set_user_session, user, session_id, ttl)

    async def remove_user_session(self, user: str | int) -> bool:
        return await in_thread(self._connector.remove_user_session, user)

    async def notify(self, users: Users, event: str, payload: Any = None) -> int:
        return await in_thread(self._connector.notify, users, event, payload)

    async def subscribe_user(self, user: str | int, channels: str | Iterable[str]) -> int:
        return await in_thread(self._connector.subscribe_user, user, channels)

    async def unsubscribe_user(self, user: str | int, channels: str | Iterable[str] | None = None) -> int:
        return await in_thread(self._connector.unsubscribe_user, user, channels)

    async def user_channels(self, user: str | int) -> list[str]:
        return await in_thread(self._connector.user_channels, user)

    async def is_online(self, user: str | int) -> bool:
        return await in_thread(self._connector.is_online, user)

    async def disconnect_user(self, users: Users) -> int:
        return await in_thread(self._connector.disconnect_user, users)

    async def subscribe(
        self, events: str | Iterable[str] = CLASSIC_EVENTS
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        told = self._connector.subscribe(events)
        while True:
            yield await in_thread(next, told)

    async def close(self) -> None:
        await in_thread(self._connector.close)


async def failure(call: Callable[[], Awaitable[object]]) -> RedisError:
    """Return the exception of redis-py with which a call ends."""
    try:
        await call()
    except RedisError as error:
        return error
    raise AssertionError("the call succeeded")


Make = Callable[..., Shape]

MAKERS: dict[str, Make] = {
    "sync": lambda *args, **options: Threaded(Connector(*args, **options)),
    "async": lambda *args, **options: AsyncConnector(*args, **options),
}
