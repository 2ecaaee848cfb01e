"""The HTTP API as connectors use it: the requests, the answers, and the errors."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard
from urllib.parse import quote, urlsplit

from hornet.broker.user_commands import User
from hornet.core.errors import DependencyError, HornetError
from hornet.core.grants import Grant, parse_user_id
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.tokens import DEFAULT_TOKEN_LENGTH

TIMEOUT_S = 10.0
"""For connecting, and for each answer. Hornet itself waits 5 s for Redis."""

Method = Literal["GET", "POST", "PUT", "DELETE"]


class ApiError(HornetError):
    """Hornet refused a request. ``status`` is HTTP's, ``code`` is stable, ``detail`` is for people."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.status = status
        self.code = code
        self.detail = detail


class ApiUnavailable(DependencyError):
    """Hornet was not reached, did not answer in time, or has no Redis. The request may have succeeded."""


class RedisRequired(HornetError):
    """The connector uses the HTTP API, which does not offer this method."""

    def __init__(self, feature: str) -> None:
        super().__init__(f"{feature} need Redis: use a connector with a Redis URL")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request of the API. Sending it twice does no harm: a publish has an idempotency key of its own."""

    method: Method
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAddress:
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


def is_http(url: object) -> TypeGuard[str]:
    """Return True for a URL of HTTP, and so for an API instead of a Redis."""
    return isinstance(url, str) and url.lower().startswith(("http://", "https://"))


def parse_address(url: str, *, key: str | None, token_length: int) -> ApiAddress:
    """Parse the URL of an API. It may have a path, where Hornet is mounted under one, and a last ``/api``.

    Raises:
        ValueError: a malformed URL, a key that a header can't hold, or a token length other than the default,
            which Hornet would ignore.
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
    return ApiAddress(
        is_secure=parts.scheme == "https",
        host=parts.hostname,
        port=parts.port,
        prefix=parts.path.rstrip("/").removesuffix("/api"),
        headers=headers,
    )


def token_request(grant: Grant, ttl_s: int) -> ApiRequest:
    """Make a token; the answer has it as ``token``."""
    body: dict[str, Any] = {"channels": list(grant.channels), "ttl": ttl_s, "publish": list(grant.publish)}
    if grant.user is not None:
        body["user"] = grant.user
    if grant.info is not None:
        body["info"] = grant.info
    return _post("/api/tokens", body)


def publish_request(
    channels: Sequence[str], type: str, message: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> ApiRequest:
    """Publish one message on each channel, once, however often the request is sent."""
    addresses = {
        name: value if isinstance(value, str) else list(value)
        for name, value in options.items()
        if value is not None
    }
    body = {"channels": channels, "type": type, "message": message or {}, **addresses}
    return _post_once("/api/publish", body)


def publish_to_pattern_request(pattern: Mapping[str, Any], payload: Any) -> ApiRequest:
    """Publish any JSON to a pattern, once, however often the request is sent."""
    return _post_once("/api/publish/pattern", {"pattern": pattern, "message": payload})


def revoke_request(tokens: Sequence[str]) -> ApiRequest:
    """Revoke tokens."""
    return _post("/api/tokens/revoke", {"tokens": tokens})


def notify_request(users: Sequence[User], event: str, payload: Any) -> ApiRequest:
    """Emit an event to users, once, however often the request is sent."""
    return _post_once("/api/publish/users", {"users": users, "event": event, "payload": payload})


def disconnect_users_request(users: Sequence[User]) -> ApiRequest:
    """End the sessions of users."""
    return _post("/api/disconnect/users", {"users": users})


def subscribe_user_request(user: User, channels: Sequence[str]) -> ApiRequest:
    """Subscribe a user to channels."""
    return _post(f"{_user_path(user)}/subscribe", {"channels": channels})


def unsubscribe_user_request(user: User, channels: Sequence[str] | None) -> ApiRequest:
    """Unsubscribe a user from channels, or with None from all of them.

    Raises:
        ValueError: ``channels`` is empty.
    """
    if channels is None:
        return _post(f"{_user_path(user)}/unsubscribe", {})
    if not channels:
        raise ValueError("no channel given")
    return _post(f"{_user_path(user)}/unsubscribe", {"channels": channels})


def user_request(user: User) -> ApiRequest:
    """Read whether a user is online, and the user's channels."""
    return ApiRequest("GET", _user_path(user))


def register_session_request(user: User, session_id: str, ttl_s: int | None) -> ApiRequest:
    """Register the session id that proves to be a user."""
    body: dict[str, Any] = {"session_id": session_id}
    if ttl_s is not None:
        body["ttl"] = ttl_s
    return ApiRequest("PUT", f"{_user_path(user)}/credential", dump_json(body).encode())


def remove_session_request(user: User) -> ApiRequest:
    """Remove a user's session id; the answer says in ``removed`` whether there was one."""
    return ApiRequest("DELETE", f"{_user_path(user)}/credential")


def parse_answer(status: int, content: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises:
        ApiError: the request was refused.
        ApiUnavailable: the request failed, or the answer does not come from Hornet.
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


def _user_path(user: User) -> str:
    return f"/api/users/{quote(parse_user_id(user), safe='')}"


def _post(path: str, body: Mapping[str, Any]) -> ApiRequest:
    return ApiRequest("POST", path, dump_json(body).encode())


def _post_once(path: str, body: Mapping[str, Any]) -> ApiRequest:
    key = {"Idempotency-Key": secrets.token_hex(16)}
    return ApiRequest("POST", path, dump_json(body).encode(), key)
