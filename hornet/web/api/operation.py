"""What an operation of the API is: everything that runs it and describes it, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec import Struct

from hornet.flows.backend.publishing import Once
from hornet.web.api.fields import Request
from hornet.web.api.keys import Right

P = TypeVar("P", bound=Struct)
B = TypeVar("B", bound=Struct)


class Nothing(Request, frozen=True):
    """No parameter, or no body."""


@dataclass(frozen=True, slots=True)
class Call(Generic[P, B]):
    """One valid request. ``once`` is there when it came with an Idempotency-Key."""

    params: P
    body: B
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """``params`` has the fields of the path and of the query, ``body`` those of the JSON body.

    ``refusals`` are the problems that the handler raises, beside those that any operation may end in.
    """

    name: str
    method: str
    path: str
    right: Right
    summary: str
    handler: Callable[[Call[Any, Any]], Awaitable[Struct]]
    answer: type[Struct]
    params: type[Struct] = Nothing
    body: type[Struct] = Nothing
    status: int = 200
    refusals: tuple[str, ...] = ()
    is_idempotent_by_key: bool = False

    @property
    def takes_body(self) -> bool:
        return self.body is not Nothing
