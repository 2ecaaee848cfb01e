"""Operations on the sessions, channels and nodes of the whole cluster."""

from __future__ import annotations

from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, UnsetType, convert, field

from hornet.core import codes
from hornet.flows.backend.cluster_queries import Page
from hornet.web.api.auth import Right
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
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation
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
    """A channel that has sessions, and how many it has."""

    channel: str
    sessions: int


class ChannelsAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """One page of the channels that have a session now."""

    channels: list[ChannelEntry]
    next: Next | UnsetType = UNSET


class ChannelAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """How many sessions are in a channel, in all and by node. A channel that nobody uses has none."""

    channel: str
    sessions: int
    nodes: dict[str, int]


class MemberEntry(Answer, frozen=True, kw_only=True):
    """A session in a channel. `user` is absent for a guest."""

    session: str
    node: str
    user: str | None = None
    info: Info = None


class MembersAnswer(ClusterAnswer, frozen=True, kw_only=True):
    """One page of the sessions in a channel."""

    members: list[MemberEntry]
    next: Next | UnsetType = UNSET


class SessionEntry(MemberEntry, frozen=True, kw_only=True):
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
    """Sessions to end: stock clients do not come back by themselves."""

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


async def list_channels(services: ApiServices, call: Call[ChannelListing, Nothing]) -> ChannelsAnswer:
    listing = call.params
    page = await services.cluster.channels(listing.prefix, listing.after, listing.limit)
    return _listed(page, "channels", ChannelsAnswer)


async def get_channel(services: ApiServices, call: Call[OneChannel, Nothing]) -> ChannelAnswer:
    channel = call.params.channel
    collected = await services.cluster.channel(channel)
    nodes = {node: count for node, count in sorted(collected.answers.items()) if count}
    return ChannelAnswer(
        channel=channel, sessions=sum(nodes.values()), nodes=nodes, missing=list(collected.missing)
    )


async def list_members(services: ApiServices, call: Call[MemberListing, Nothing]) -> MembersAnswer:
    listing = call.params
    page = await services.cluster.members(listing.channel, listing.after, listing.limit)
    return _listed(page, "members", MembersAnswer)


async def list_sessions(services: ApiServices, call: Call[Listing, Nothing]) -> SessionsAnswer:
    page = await services.cluster.sessions(call.params.after, call.params.limit)
    return _listed(page, "sessions", SessionsAnswer)


async def get_session(services: ApiServices, call: Call[OneSession, Nothing]) -> SessionAnswer:
    entry, missing = await services.cluster.session(call.params.session)
    if entry is None:
        silent = f"; nodes {', '.join(missing)} did not answer" if missing else ""
        raise Problem(codes.NOT_FOUND, f"no node has a session of that id{silent}")
    return SessionAnswer(session=convert(entry, SessionEntry))


async def disconnect(services: ApiServices, call: Call[Nothing, EndedSessions]) -> DisconnectedAnswer:
    sids, missing = await services.cluster.disconnect(dict.fromkeys(call.body.sessions))
    return DisconnectedAnswer(sessions=sids, missing=list(missing))


async def list_nodes(services: ApiServices, call: Call[Nothing, Nothing]) -> NodesAnswer:
    collected = await services.cluster.nodes()
    nodes = [convert({**entry, "node": node}, NodeEntry) for node, entry in sorted(collected.answers.items())]
    return NodesAnswer(nodes=nodes, missing=list(collected.missing))


def _listed(page: Page, name: str, answer: type[A]) -> A:
    following = {} if page.next is None else {"next": page.next}
    return convert({name: page.entries, "missing": list(page.missing), **following}, answer)


OPERATIONS = (
    Operation(
        name="listChannels",
        method="GET",
        path="/api/channels",
        right=Right.READ,
        summary="List the channels that have a session",
        handler=list_channels,
        answer=ChannelsAnswer,
        params=ChannelListing,
    ),
    Operation(
        name="getChannel",
        method="GET",
        path="/api/channels/{channel}",
        right=Right.READ,
        summary="See how many sessions a channel has",
        handler=get_channel,
        answer=ChannelAnswer,
        params=OneChannel,
    ),
    Operation(
        name="listMembers",
        method="GET",
        path="/api/channels/{channel}/members",
        right=Right.READ,
        summary="List the sessions in a channel",
        handler=list_members,
        answer=MembersAnswer,
        params=MemberListing,
    ),
    Operation(
        name="listSessions",
        method="GET",
        path="/api/sessions",
        right=Right.READ,
        summary="List all sessions",
        handler=list_sessions,
        answer=SessionsAnswer,
        params=Listing,
    ),
    Operation(
        name="getSession",
        method="GET",
        path="/api/sessions/{session}",
        right=Right.READ,
        summary="See one session",
        handler=get_session,
        answer=SessionAnswer,
        params=OneSession,
        refusals=(codes.NOT_FOUND,),
    ),
    Operation(
        name="disconnect",
        method="POST",
        path="/api/disconnect",
        right=Right.MANAGE,
        summary="End sessions by their id",
        handler=disconnect,
        answer=DisconnectedAnswer,
        body=EndedSessions,
    ),
    Operation(
        name="listNodes",
        method="GET",
        path="/api/nodes",
        right=Right.READ,
        summary="See every node",
        handler=list_nodes,
        answer=NodesAnswer,
    ),
)
