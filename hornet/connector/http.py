"""What a connector does, as requests to the HTTP API. Both connectors, sync and async, send exactly these."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from hornet.broker import user_commands as orders
from hornet.connector import commands
from hornet.core.errors import DependencyError, HornetError
from hornet.core.grants import Grant, parse_user_id
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH

TIMEOUT_S = 10.0
"""For connecting, and for each answer. Hornet itself waits 5 s for Redis."""

User = str | int

NO_EVENTS = "events of clients come through Redis: use a connector with a Redis URL"
NO_USERS = "calls about users go through Redis: use a connector with a Redis URL"


class ApiError(HornetError):
    """Hornet refused a request. ``status`` is HTTP's, ``code`` is stable, ``detail`` is for people."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.status = status
        self.code = code
        self.detail = detail


class ApiUnavailable(DependencyError):
    """Hornet was not reached, did not answer in time, or has no Redis. It is not known what was done."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A POST of JSON, or a GET. To send it twice does no harm: what is published has a key of its own."""

    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an API is, and the headers of every request to it."""

    is_secure: bool
    host: str
    port: int | None
    prefix: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def base(self) -> str:
        """The URL without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{'https' if self.is_secure else 'http'}://{host}{port}{self.prefix}"


def is_http(url: object) -> bool:
    return isinstance(url, str) and url.lower().startswith(("http://", "https://"))


def parse_address(url: str, key: str | None, token_length: int) -> Address:
    """The API at ``url``, which may have a path where Hornet is mounted under one.

    Raises:
        ValueError: no such URL, a key that no header can hold, or a length that Hornet would not heed.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("the URL is not http(s)://host[:port][/path]")
    if token_length != DEFAULT_TOKEN_LENGTH:
        raise ValueError("over HTTP, Hornet makes the tokens: token_length has no meaning")
    headers = {"Content-Type": "application/json"}
    if key is not None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("the key is not made of visible ASCII characters")
        headers["Authorization"] = f"Bearer {key}"
    return Address(parts.scheme == "https", parts.hostname, parts.port, parts.path.rstrip("/"), headers)


def token_request(grant: Grant, ttl_s: int) -> ApiRequest:
    """Make a token; its answer has it as ``token``. Raises as :func:`commands.token_commands` does."""
    commands.token_commands("checked", grant, ttl_s)
    body: dict[str, Any] = {"channels": list(grant.channels), "ttl": ttl_s, "publish": list(grant.publish)}
    if grant.user is not None:
        body["user"] = grant.user
    if grant.info is not None:
        body["info"] = grant.info
    return _post("/api/tokens", body)


def publish_request(
    channels: str | Iterable[str], kind: str, message: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> ApiRequest:
    """Publish one message on each channel. Raises as :func:`commands.publish_commands` does."""
    names = [channels] if isinstance(channels, str) else list(channels)
    commands.publish_commands(names, kind, message, options)
    address = {
        name: value if isinstance(value, str) else list(value)
        for name, value in options.items()
        if value is not None
    }
    body = {"channels": names, "type": kind, "message": message or {}, **address}
    return _once(_post("/api/publish", body))


def disconnect_request(tokens: str | Iterable[str]) -> ApiRequest:
    """Revoke tokens. Raises as :func:`commands.disconnect_command` does."""
    listed = [tokens] if isinstance(tokens, str) else list(tokens)
    commands.disconnect_command(listed)
    return _post("/api/tokens/revoke", {"tokens": listed})


def notify_request(users: User | Iterable[User], event: str, payload: Any) -> ApiRequest:
    """Notify users. Raises as :func:`orders.notify_commands` does."""
    listed = _users(users)
    orders.notify_commands(listed, event, payload)
    return _once(_post("/api/publish/users", {"users": listed, "event": event, "payload": payload}))


def disconnect_user_request(users: User | Iterable[User]) -> ApiRequest:
    """End sessions of users. Raises as :func:`orders.disconnect_user_commands` does."""
    listed = _users(users)
    orders.disconnect_user_commands(listed)
    return _post("/api/disconnect/users", {"users": listed})


def subscribe_request(user: User, channels: str | Iterable[str]) -> ApiRequest:
    """Subscribe a user. Raises as :func:`orders.subscribe_command` does."""
    names = [channels] if isinstance(channels, str) else list(channels)
    orders.subscribe_command(user, names)
    return _post(f"{_user_path(user)}/subscribe", {"channels": names})


def unsubscribe_request(user: User, channels: str | Iterable[str] | None) -> ApiRequest:
    """Take channels back, all without any. Raises as :func:`orders.unsubscribe_command` does."""
    if channels is None:
        return _post(f"{_user_path(user)}/unsubscribe", {})
    names = [channels] if isinstance(channels, str) else list(channels)
    orders.unsubscribe_command(user, names)
    return _post(f"{_user_path(user)}/unsubscribe", {"channels": names})


def user_request(user: User) -> ApiRequest:
    """Whether a user is online, and the user's channels. Raises ``ValueError`` for what is no user."""
    return ApiRequest(_user_path(user))


def _user_path(user: User) -> str:
    return f"/api/users/{quote(parse_user_id(user), safe='')}"


def _users(users: User | Iterable[User]) -> list[User]:
    return [users] if isinstance(users, str | int) else list(users)


def _once(request: ApiRequest) -> ApiRequest:
    """The same under a name of its own, so that it is done once however often it is sent."""
    return replace(request, headers={"Idempotency-Key": secrets.token_hex(16)})


def _post(path: str, body: Mapping[str, Any]) -> ApiRequest:
    return ApiRequest(path, dump_json(body).encode())


def parse_answer(status: int, content: bytes) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        ApiError: the request was refused.
        ApiUnavailable: it failed, or what answered is no Hornet.
    """
    try:
        body = parse_json(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiUnavailable(f"an answer with status {status} that is not Hornet's")
    if status < 300:
        return body
    code, detail = str(body.get("code", "")), str(body.get("detail") or body.get("title", ""))
    if status >= 500:
        raise ApiUnavailable(f"{status} {code}: {detail}")
    raise ApiError(status, code, detail)


def heard(answer: Mapping[str, Any]) -> int:
    """How many nodes heard what was published, summed over the channels."""
    return sum(one["nodes"] for one in answer["published"])
