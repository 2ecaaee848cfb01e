"""One operation of the API: everything that runs and describes it, in one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec import Struct

from hornet.flows.backend.cluster_queries import ClusterQueries
from hornet.flows.backend.service import BackendService, Once
from hornet.flows.channels.history import ChannelHistory
from hornet.flows.process.reloading import Reloading
from hornet.flows.users.queries import UserQueries
from hornet.web.api.auth import Right
from hornet.web.api.fields import Request

P = TypeVar("P", bound=Struct)
B = TypeVar("B", bound=Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """The flows that carry operations out."""

    backend: BackendService
    cluster: ClusterQueries
    history: ChannelHistory
    users: UserQueries
    reloading: Reloading[Any]


class Nothing(Request, frozen=True):
    """No parameter, or no body."""


@dataclass(frozen=True, slots=True)
class Call(Generic[P, B]):
    """One valid request. ``once`` is set when it carries an Idempotency-Key."""

    params: P
    body: B
    once: Once | None = None


Handler = Callable[[ApiServices, Call[Any, Any]], Awaitable[Struct]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``params`` has the fields of the path and of the query, ``body`` those of the JSON body.

    ``refusals`` are the codes of the problems that the handler raises, beside those that every operation may
    end in.
    """

    name: str
    method: str
    path: str
    right: Right
    summary: str
    handler: Handler
    answer: type[Struct]
    params: type[Struct] = Nothing
    body: type[Struct] = Nothing
    status: int = 200
    refusals: tuple[str, ...] = ()
    is_idempotent_by_key: bool = False

    @property
    def takes_body(self) -> bool:
        return self.body is not Nothing
