"""Header lines of one name: a list, whose lines belong together, or a single value, of which there is one.

Several lines of one name mean what one line with all their values means (RFC 9110,
https://www.rfc-editor.org/rfc/rfc9110#section-5.3). A proxy may add a line of its own behind the client's, so
code that reads the first line alone would believe the client. A header that is no list may come once only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

MAX_HEAD_BYTES = 32_768
"""A longer head of a request is refused: as much as nginx takes with its own limits."""

COOKIE = "cookie"
"""Its values are separated by a semicolon (RFC 6265, https://www.rfc-editor.org/rfc/rfc6265#section-4.2.1)."""


class HeaderLines(Protocol):
    """The headers of a request with all their lines, as aiohttp keeps them."""

    def getall(self, name: str, default: Sequence[str]) -> Sequence[str]:
        """Return the values of all lines of this name."""
        ...


Headers = dict[str, str] | HeaderLines


class JoinedHeaders(dict[str, str]):
    """Headers by lower-case name, of which some came in several lines."""

    __slots__ = ("repeated",)

    def __init__(self, headers: Mapping[str, str], repeated: Collection[str]) -> None:
        super().__init__(headers)
        self.repeated = repeated
        """The names that came in several lines."""


def join_lines(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name. Lines of one name are joined."""
    joined: dict[str, str] = {}
    repeated = set()
    for name, value in lines:
        if name in joined:
            repeated.add(name)
            joined[name] += ("; " if name == COOKIE else ", ") + value
        else:
            joined[name] = value
    return JoinedHeaders(joined, repeated) if repeated else joined


def combined(headers: Headers, name: str) -> str:
    """Return all lines of a list as one; "" without the header.

    A dictionary has joined them already, under lower-case names.
    """
    if isinstance(headers, dict):
        return headers.get(name, "")
    return ", ".join(headers.getall(name, ()))


def is_repeated(headers: Mapping[str, str], name: str) -> bool:
    """Return whether a header came in several lines, which mean nothing where the header is no list."""
    return isinstance(headers, JoinedHeaders) and name in headers.repeated
