"""Fields that several requests and answers share, with their limits."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct

from hornet.core.channels import MAX_CHANNEL_CHARS
from hornet.core.grants import MAX_USER_CHARS
from hornet.core.tokens import MAX_TOKEN_CHARS
from hornet.flows.backend.cluster_queries import MAX_PAGE

MAX_LISTED = 1000
"""Channels, tokens, sessions or messages in one request."""


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends. Unknown fields are errors, or a caller would rely on an option that is ignored."""


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a caller gets. Later versions may add fields."""


ChannelName = Annotated[
    str, Meta(min_length=1, max_length=MAX_CHANNEL_CHARS, description="A channel's name.", examples=["news"])
]
Channels = Annotated[
    ChannelName | Annotated[list[ChannelName], Meta(min_length=1, max_length=MAX_LISTED)],
    Meta(description="One channel, or several.", examples=[["news", "sports"]]),
]
Token = Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_CHARS, description="A token.")]
Tokens = Token | Annotated[list[Token], Meta(max_length=MAX_LISTED)]
SessionId = Annotated[str, Meta(min_length=1, max_length=128, description="The Socket.IO id of a session.")]
User = Annotated[str, Meta(min_length=1, max_length=MAX_USER_CHARS, description="A user's id.")]
UserId = User | int
Users = UserId | Annotated[list[UserId], Meta(min_length=1, max_length=MAX_LISTED)]
Name = Annotated[str, Meta(max_length=MAX_CHANNEL_CHARS)]
Prefix = Annotated[str, Meta(max_length=128, description="Only names that begin with this.")]
"""Shorter than a name: it and the longest `after` fit into a request's first line (8190 bytes)."""
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="How many entries at most.")]
After = Annotated[
    Name, Meta(description="The `next` of the page before: the list goes on behind it.", examples=[""])
]
Missing = Annotated[
    list[str],
    Meta(description="Nodes that did not answer in time. What they know is not in this answer."),
]
Next = Annotated[str | None, Meta(description="Ask with this as `after` for more; absent at the end.")]
Info = Annotated[Any, Meta(description="What the backend told of the user: any JSON.")]


def alias_of(name: str) -> Meta:
    """Return what describes the older name of a field."""
    return Meta(description=f"The older name of `{name}`.", extra_json_schema={"deprecated": True})


def given(request: Request, name: str, alias: str) -> Any:
    """Return the value of a field that has an older name too; ``UNSET`` where neither is given.

    Raises:
        ValueError: both are given.
    """
    value, aliased = getattr(request, name), getattr(request, alias)
    if value is not UNSET and aliased is not UNSET:
        raise ValueError(f"'{name}' and '{alias}' are one field: give '{name}' only")
    return aliased if value is UNSET else value


def listed(value: str | list[str]) -> list[str]:
    """Return a single value as a list, and several in their order without repetitions."""
    return [value] if isinstance(value, str) else list(dict.fromkeys(value))
