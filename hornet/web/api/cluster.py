"""Operations that see and end what is on all nodes."""

from __future__ import annotations

from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, UnsetType, convert, field

from hornet.core import codes
from hornet.flows.backend.cluster_queries import Cluster, Page
from hornet.web.api.fields import (
    MAX_LISTED,
    After,
    Answer,
    ChannelName,
    Info,
    Limit,
    Missing,
    Next,
    Prefix,
    Request,
    SessionId,
)
from hornet.web.api.keys import Right
from hornet.web.api.operation import Call, Nothing, Operation
from hornet.web.api.problems import Problem

DEFAULT_LIMIT = 100

A = TypeVar("A", bound="ClusterAnswer")


class Listing(Request, frozen=True, kw_only=True):
    """One page of a list in the order of its names."""

    after: After = ""
    limit: Limit = DEFAULT_LIMIT


class ChannelListing(Listing, frozen=True, kw_only=True):
    prefix: Prefix = ""


class OneChannel(Request, frozen=True, kw_only=True):
    channel: ChannelName


class MemberListing(Listing, frozen=True, kw_only=True):
    channel: ChannelName


class OneSession(Request, frozen=True, kw_only=True):
    session: SessionId


class ClusterAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """An answer of all nodes, and which of them did not give theirs in time."""

    missing: Missing = field(default_factory=list)


class ChannelEntry(Answer, frozen=True, kw_only=True):
    """A channel with somebody in it, and how many sessions are."""

    channel: str
    sessions: int


class ChannelsAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """One page of the channels that have a session now."""

    channels: list[ChannelEntry]
    next: Next | UnsetType = UNSET


class ChannelAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """How many sessions are in a channel, in all and by node. Any name may be a channel with nobody in it."""

    channel: str
    sessions: int
    nodes: dict[str, int]


class Member(Answer, frozen=True, kw_only=True):
    """A session in a channel. `user` is absent for a guest."""

    session: str
    node: str
    user: str | None = None
    info: Info = None


class MembersAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """One page of the sessions in a channel."""

    members: list[Member]
    next: Next | UnsetType = UNSET


class SessionEntry(Member, frozen=True, kw_only=True):
    """A connected client. `state` is `new` or `checking` until it has shown a valid credential."""

    state: str
    address: str
    channels: list[str]


class SessionsAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """One page of the sessions."""

    sessions: list[SessionEntry]
    next: Next | UnsetType = UNSET


class SessionAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    session: SessionEntry


class EndedSessions(Request, frozen=True, kw_only=True):
    """Sessions to end for good: stock clients do not come back by themselves."""

    sessions: Annotated[list[SessionId], Meta(min_length=1, max_length=MAX_LISTED)]


class DisconnectedAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """Those that were there, and are ended."""

    sessions: list[str]


class NodeEntry(Answer, frozen=True, kw_only=True):
    """What a node says of itself. `subscriptions` is on how many Redis channels it listens."""

    node: str
    version: str
    uptime_s: float
    sessions: int
    subscriptions: int


class NodesAnswer(ClusterAnswer, frozen=True, kw_only=True):
    nodes: list[NodeEntry]


class ClusterOperations:
    """Sees channels, members, sessions and nodes; ends sessions."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def operations(self) -> list[Operation]:
        read = Right.READ
        return [
            Operation(
                "listChannels", "GET", "/api/channels", read, "List the channels that have a session",
                self._channels, ChannelsAnswer, ChannelListing,
            ),
            Operation(
                "getChannel", "GET", "/api/channels/{channel}", read, "See how many sessions a channel has",
                self._channel, ChannelAnswer, OneChannel,
            ),
            Operation(
                "listMembers", "GET", "/api/channels/{channel}/members", read,
                "List the sessions in a channel", self._members, MembersAnswer, MemberListing,
            ),
            Operation(
                "listSessions", "GET", "/api/sessions", read, "List all sessions",
                self._sessions, SessionsAnswer, Listing,
            ),
            Operation(
                "getSession", "GET", "/api/sessions/{session}", read, "See one session",
                self._session, SessionAnswer, OneSession, refusals=(codes.NOT_FOUND,),
            ),
            Operation(
                "disconnect", "POST", "/api/disconnect", Right.MANAGE, "End sessions by their id",
                self._disconnect, DisconnectedAnswer, body=EndedSessions,
            ),
            Operation(
                "listNodes", "GET", "/api/nodes", read, "See every node", self._nodes, NodesAnswer,
            ),
        ]  # fmt: skip

    async def _channels(self, call: Call[ChannelListing, Nothing]) -> ChannelsAnswer:
        asked = call.params
        page = await self._cluster.channels(asked.prefix, asked.after, asked.limit)
        return _listed(page, "channels", ChannelsAnswer)

    async def _channel(self, call: Call[OneChannel, Nothing]) -> ChannelAnswer:
        channel = call.params.channel
        found = await self._cluster.channel(channel)
        nodes = {node: count for node, count in sorted(found.answers.items()) if count}
        return ChannelAnswer(
            channel=channel, sessions=sum(nodes.values()), nodes=nodes, missing=list(found.missing)
        )

    async def _members(self, call: Call[MemberListing, Nothing]) -> MembersAnswer:
        asked = call.params
        page = await self._cluster.members(asked.channel, asked.after, asked.limit)
        return _listed(page, "members", MembersAnswer)

    async def _sessions(self, call: Call[Listing, Nothing]) -> SessionsAnswer:
        page = await self._cluster.sessions(call.params.after, call.params.limit)
        return _listed(page, "sessions", SessionsAnswer)

    async def _session(self, call: Call[OneSession, Nothing]) -> SessionAnswer:
        entry, missing = await self._cluster.session(call.params.session)
        if entry is None:
            silent = f"; nodes {', '.join(missing)} did not answer" if missing else ""
            raise Problem(codes.NOT_FOUND, f"no node has a session of that id{silent}")
        return SessionAnswer(session=convert(entry, SessionEntry))

    async def _disconnect(self, call: Call[Nothing, EndedSessions]) -> DisconnectedAnswer:
        ended, missing = await self._cluster.disconnect(dict.fromkeys(call.body.sessions))
        return DisconnectedAnswer(sessions=ended, missing=list(missing))

    async def _nodes(self, call: Call[Nothing, Nothing]) -> NodesAnswer:
        found = await self._cluster.nodes()
        nodes = [convert({**said, "node": node}, NodeEntry) for node, said in sorted(found.answers.items())]
        return NodesAnswer(nodes=nodes, missing=list(found.missing))


def _listed(page: Page, name: str, answer: type[A]) -> A:
    following = {} if page.next is None else {"next": page.next}
    return convert({name: page.entries, "missing": list(page.missing), **following}, answer)
