"""The values of options: how they are read from text, and which of them make sense."""

from __future__ import annotations

import math
import re
from typing import Any

from hornet.core.addresses import parse_networks
from hornet.core.errors import SetupError
from hornet.core.options import MIN_SECRET_CHARS, Option
from hornet.core.origins import parse_origin


def convert(option: Option, value: Any, source: str) -> Any:
    """Return the value in the type of its option; text is read as people write it."""
    try:
        if option.is_list:
            return _convert_list(value)
        if option.kind is bool:
            return _convert_bool(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        if option.kind is str and not isinstance(value, str):
            raise ValueError
        if option.kind is int and isinstance(value, float):
            raise ValueError
        return option.kind(value)
    except (ValueError, OverflowError):
        text = "***" if option.secret else repr(value)
        raise SetupError(
            f"{text} in {source} is not {_KINDS[option.kind]}, which {option.name!r} takes."
        ) from None


def _convert_list(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(item.strip() for item in items if item.strip())


def _convert_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("1", "true", "yes", "on"):
        return True
    if isinstance(value, str) and value.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[str, ...]: "a list of text",
}

_MAY_BE_ZERO = {
    "port": "a free one",
    "auth_timeout_s": "no timeout",
    "max_attempts": "any number of attempts",
    "drain_window_s": "all at once",
    "api_rate": "no limit",
    "max_connections": "what the system allows",
    "user_grace_s": "gone at once",
    "recovery_window_s": "no session comes back",
    "history_count": "nothing is kept",
}
"""The numbers for which 0 has a meaning. For any other, 0 would mean that nothing works."""

_LEAST = {
    "send_buffer_bytes": 16_384,
    "max_payload_bytes": 1000,
    "max_byte_rate": 1000,
    "max_unauthenticated_payload_bytes": 1000,
    "max_unauthenticated_byte_rate": 1000,
    "max_unauthenticated_held_bytes": 1000,
    "max_message_bytes": 100,
    "api_max_body_bytes": 100,
}
"""The least of these numbers with which a client can still connect and receive a message. So a number that
was meant as megabytes is noticed."""

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")


def check(option: Option, value: Any) -> None:
    """Check that a value of the right kind also makes sense for its option.

    Raises:
        ValueError: the value makes no sense; the message names the option and the values that it takes.
    """
    if option.kind in (int, float):
        _check_number(option, value)
    elif option.unit == "path" and not _PATH.fullmatch(value):
        raise ValueError(f"{option.name} {value!r} is no path such as /socket.io/")
    elif option.unit == "networks":
        try:
            parse_networks(value)
        except ValueError as error:
            raise ValueError(f"{option.name}: {error}") from None
    elif option.unit == "origins":
        _check_origins(option, value)
    elif option.unit in ("secret", "secrets"):
        _check_secrets(option, value)


def _check_number(option: Option, value: float) -> None:
    if not math.isfinite(value) or value < 0 or (value == 0 and option.field not in _MAY_BE_ZERO):
        least = "0 or more" if option.field in _MAY_BE_ZERO else "more than 0"
        raise ValueError(f"{option.name} is {value:g}, but must be {least}")
    if value < _LEAST.get(option.field, 0):
        raise ValueError(
            f"{option.name} is {value:g}, but must be {_LEAST[option.field]} {option.unit} or more"
        )
    if option.unit == "port" and value > 65535:
        raise ValueError(f"{option.name} is {value}, but a port is at most 65535")


def _check_origins(option: Option, values: tuple[str, ...]) -> None:
    if not values:
        raise ValueError(f"{option.name} is empty, so no page could connect; * lets all")
    for value in values:
        try:
            parse_origin(value)
        except ValueError as error:
            raise ValueError(
                f"{option.name} has {value!r} ({error}), but an origin is scheme://host or "
                "scheme://host:port with nothing behind it, or one of same-host, null and *"
            ) from None


def _check_secrets(option: Option, value: str | tuple[str, ...]) -> None:
    """Refuse short secrets: a client with one signature could find such a secret by trying."""
    for secret in (value,) if isinstance(value, str) and value else value:
        if len(secret) < MIN_SECRET_CHARS:
            raise ValueError(
                f"{option.name} has a secret of {len(secret)} characters, but needs "
                f"{MIN_SECRET_CHARS} or more, for example from: openssl rand -hex 24"
            )
