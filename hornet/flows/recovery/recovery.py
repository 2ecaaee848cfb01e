"""Recovery: a client that lost its connection comes back as the same session, with what it missed.

A stock client shows its pid, and gets its ids, its channels and everything that it missed, before anything
newer. Where something is missing for certain, or may be, it gets new ids, which tell its page so, and its
channels and rights all the same: the pid stands for the token, which is used up. A client that keeps
positions shows its last session in ``resume``. It always gets new ids, everything that is whole, and a notice
of the channels that are not.

The steps keep one order. The session becomes this node's in Redis, which ends an older connection of it.
This node subscribes to its topics. What was missed is read. Then, in one turn of the event loop, the session
enters its rooms, and gets what was read and what the ring has by then. So nothing is missed and nothing is
doubled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from hornet.broker.keys import channel_topic, user_topic
from hornet.broker.session_records import Claimed
from hornet.broker.subscriber import Subscriber
from hornet.broker.users import KnownChannels, UserStore
from hornet.core import codes
from hornet.core.errors import RedisUnavailable, RefusedCredentials
from hornet.core.history import Offset
from hornet.core.session_records import digest_pid
from hornet.core.sessions import AuthState, AuthStep
from hornet.engine import Engine, Reason, RestoredSession
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.patterns import Patterns
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.recovery.claims import PidClaim, PidClaims
from hornet.flows.recovery.inflow import Inflow
from hornet.flows.recovery.missed import MissedMessages
from hornet.flows.recovery.record_deletions import RecordDeletions
from hornet.flows.recovery.records import SessionRecords
from hornet.flows.recovery.replay import Replay
from hornet.flows.recovery.restoration import Restoration, begin, offsets_of
from hornet.flows.recovery.resuming import gaps_of, read_offset, resumed
from hornet.flows.recovery.settings import RecoverySettings
from hornet.flows.recovery.topic_holds import TopicHolds
from hornet.flows.sessions.session_log import SessionLog
from hornet.flows.sessions.sessions import Session, Sessions
from hornet.flows.sessions.signals import Signals
from hornet.flows.users.service import Users
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

UNKNOWN_SESSION = "unknown_session"
"""The reason where there is no record: the pid is made up, or the session expired, was revoked or ended."""

NO_REDIS = "no_redis"
"""The reason where Redis did not answer. The client is told to come back."""


class Recovery:
    """Brings sessions back on this node, and lets sessions go that came back elsewhere."""

    def __init__(
        self,
        *,
        settings: RecoverySettings,
        engine: Engine,
        sessions: Sessions,
        records: SessionRecords,
        deletions: RecordDeletions,
        admission: Admission,
        subscriber: Subscriber,
        subscriptions: Subscriptions,
        users: Users,
        user_store: UserStore,
        patterns: Patterns,
        inflow: Inflow,
        missed: MissedMessages,
        replay: Replay,
        signals: Signals,
        metrics: Metrics,
        session_log: SessionLog,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._sessions = sessions
        self._records = records
        self._deletions = deletions
        self._admission = admission
        self._subscriber = subscriber
        self._subscriptions = subscriptions
        self._users = users
        self._user_store = user_store
        self._patterns = patterns
        self._inflow = inflow
        self._missed = missed
        self._replay = replay
        self._signals = signals
        self._session_log = session_log
        self._holds = TopicHolds(subscriber, settings.recovery_window_s)
        self._metrics = metrics
        self._claims = PidClaims()

    def configure(self, settings: RecoverySettings) -> None:
        """Follow ``settings`` from now on. Only options that are marked as reloadable may differ."""
        self._settings = settings

    def close(self) -> None:
        """Hold no topics any more: the node stops."""
        self._holds.close()

    # Clients that come back ----------------------------------------------------------------------

    async def on_recover(self, pid: str, offset: str) -> RestoredSession | None:
        """Find the session of a stock client, and what it missed. :meth:`enter` goes on."""
        try:
            restoration = await self._find(pid, read_offset(offset))
        except RedisUnavailable as error:
            log.debug("A client can't come back now: %s", error)
            self._metrics.recoveries.labels("refused", NO_REDIS).inc()
            return RestoredSession(pid=pid)  # without a state: the client is told to come back
        if restoration is None:
            return None
        if not self._claims.is_last(restoration.claim):
            self._give_up(restoration)
            return RestoredSession(pid=pid)
        restoration.collect(self._inflow.ring, self._settings.replay_bytes)
        if restoration.missed:
            return RestoredSession(state=restoration)
        return RestoredSession(sid=restoration.record.sid, pid=pid, state=restoration)

    def is_same(self, session: Session) -> bool:
        """Return whether a session that just connected has the ids of one that was there before."""
        restored = session.handshake.restored
        return restored is not None and restored.sid != ""

    def on_connect(self, session: Session) -> Awaitable[object] | None:
        """Go on with a session that just connected, and await the result; None where it did not come back."""
        restored = session.handshake.restored
        if restored is not None and restored.state is None:
            self._engine.close(session.sid)
            return _nothing()
        if restored is not None:
            assert isinstance(restored.state, Restoration)
            return self._enter(session, restored.state, is_same=bool(restored.sid))
        if session in self._records and (resume := resumed(session.handshake)) is not None:
            return self._resume(session, *resume)
        return None

    async def _resume(self, session: Session, former: str, position: str) -> None:
        """Bring back what a client that keeps positions had, or let it in as a new one."""
        restoration: Restoration | None = None
        try:
            restoration = await self._find(former, read_offset(position))
        except RedisUnavailable as error:
            log.debug("A client can't come back now: %s", error)
            self._metrics.recoveries.labels("refused", NO_REDIS).inc()
        if restoration is not None:
            if session.state is not AuthState.CLOSED:
                await self._enter(session, restoration, is_same=False)
            else:
                self._claims.settle(restoration.claim)
                self._give_up(restoration)
            return
        self._records.tell(session, recovered=False)
        attempt = self._admission.begin(session)
        if attempt is not None:
            await attempt

    async def _find(self, pid: str, start: Offset | None) -> Restoration | None:
        """Take the session with this pid over, subscribe to its topics, and read what it missed.

        Raises:
            RedisUnavailable: the session could not be taken over; its client may try again.
        """
        digest = digest_pid(pid)
        began = self._deletions.begin_return()
        claim = self._claims.begin(digest) if digest is not None else None
        restoration: Restoration | None = None
        try:
            claimed = await self._records.claim(claim.digest) if claim is not None else None
            if claim is not None and claimed is not None:
                restoration = await self._prepare(claim, claimed, start, began)
        finally:
            if restoration is None:
                self._deletions.end_return()
                if claim is not None:
                    self._claims.settle(claim)
        if restoration is None:
            self._metrics.recoveries.labels("refused", UNKNOWN_SESSION).inc()
        return restoration

    async def _prepare(
        self, claim: PidClaim, claimed: Claimed, start: Offset | None, began: int
    ) -> Restoration:
        record = claimed.record
        former = self._sessions.get(record.sid)
        if former is not None and self._records.is_of(former, claim.digest):
            self._holds.hold(self.topics_of(former))
            self.end_silently(former, is_here=True)
        channels: frozenset[str] = frozenset()
        if record.user is not None:
            channels = (await self._user_store.read(record.user, KnownChannels())).channels
        restoration = begin(
            claim=claim,
            record=record,
            was_away=claimed.was_away,
            start=start,
            user_channels=channels,
            began=began,
        )
        restoration.owner = claimed.owner
        confirmations = [self._subscriber.subscribe(topic) for topic in restoration.topics]
        try:
            await asyncio.gather(*confirmations)
            await self._missed.read(restoration, self._settings.replay_bytes)
        except BaseException:
            self._release(restoration)
            raise
        return restoration

    # The turn in which a session is back ---------------------------------------------------------

    def _enter(self, session: Session, restoration: Restoration, *, is_same: bool) -> Awaitable[object]:
        """Put a session into everything that it had, and send it what it missed.

        All that must not be torn apart is done before this returns. Await the result for what may come later.
        """
        record, positions = restoration.record, session.positions
        user = record.user
        if not self._claims.settle(restoration.claim):
            self._give_up(restoration)
            self._engine.close(session.sid)
            return _nothing()
        is_revoked = self._deletions.is_revoked(record, restoration.began)
        self._deletions.end_return()
        entries = restoration.collect(self._inflow.ring, self._settings.replay_bytes)
        if is_revoked:
            self._release(restoration)
            self._admission.close(session, codes.TOKEN_REVOKED)
            return _nothing()
        if is_same and restoration.missed:  # just now: the client must come back to learn of it
            self._release(restoration)
            self._engine.close(session.sid)
            return _nothing()
        if not is_same:
            self._claims.go_on(restoration.claim.digest, session)
        self._records.restore(session, record, is_in_redis=is_same)
        registering: Awaitable[None] | None = None
        if user is not None:
            registering = self._users.restore(session, user, record.info)
        self._subscriptions.restore(session, restoration.channels)
        self._signals.session_restored.send(session, restoration.owner, record.sid)
        self._admission.restore(session, record)
        if is_same or positions:
            offset = self._inflow.offset
            start = restoration.least_start or offset
            steps = zip(entries, offsets_of(entries, start, offset), strict=True)
            self._replay.send(session, restoration.names | {session.sid}, steps)
        self._count(restoration)
        self._records.tell(session, recovered=not restoration.missed)
        if is_same:
            self._welcome(session, restoration)
        return self._settle(session, restoration, registering, is_same=is_same)

    def _welcome(self, session: Session, restoration: Restoration) -> None:
        message = self._records.connected(session)
        assert message is not None
        if restoration.missed and session.positions:
            for gap in gaps_of(session, restoration):
                self._engine.tell(session.sid, gap)
        self._engine.tell(session.sid, message)
        if restoration.was_away:
            self._signals.session_returned.send(session)
        self._signals.user_authenticated.send(session, True)

    async def _settle(
        self,
        session: Session,
        restoration: Restoration,
        registering: Awaitable[None] | None,
        *,
        is_same: bool,
    ) -> None:
        """Tell Redis of a session that is back, and a client with new ids that it is in."""
        try:
            if registering is not None:
                await registering
            await self._patterns.restore(session, restoration.record.patterns)
        except RefusedCredentials as refused:
            self._admission.close(session, refused.code)
            return
        except RedisUnavailable as error:
            self._claims.forget(restoration.claim.digest)
            self._session_log.failed(session, "The return", error)
            self._engine.close(session.sid)
            return
        is_saved = await self._records.save(session)
        if session.state is AuthState.CLOSED and not is_saved:
            self._claims.forget(restoration.claim.digest)
        elif not is_same:
            self._records.discard(restoration.claim.digest, restoration.record)
            self._welcome(session, restoration)

    def _count(self, restoration: Restoration) -> None:
        reasons = list(restoration.missed.values())
        outcome = ("restored", reasons[0].value) if reasons else ("recovered", "whole")
        self._metrics.recoveries.labels(*outcome).inc()

    def _give_up(self, restoration: Restoration) -> None:
        self._deletions.end_return()
        self._release(restoration)

    def _release(self, restoration: Restoration) -> None:
        for topic in restoration.topics:
            self._subscriber.unsubscribe(topic)

    # Sessions that go ----------------------------------------------------------------------------

    def topics_of(self, session: Session) -> list[str]:
        """Return the topics whose messages the session gets."""
        topics = [channel_topic(channel) for channel in session.channels]
        if session.user is not None:
            topics.append(user_topic(session.user))
        return topics

    def on_disconnect(self, session: Session, reason: str) -> None:
        """Keep what a session needs that may come back. It is still in its channels."""
        if self._records.end(session, reason):
            self._holds.hold(self.topics_of(session))
            self._signals.session_lost.send(session)

    def on_taken(self, message: Mapping[str, Any]) -> None:
        """End a session that came back on another node.

        Raises:
            KeyError, TypeError: the message is malformed.
        """
        session, digest = self._sessions.get(message["sid"]), message["record"]
        successor = self._claims.take(digest)
        if session is not None and self._records.is_of(session, digest):
            self._holds.hold(self.topics_of(session))  # the other node is about to ask for them
            self.end_silently(session, is_here=False)
        elif successor is not None and successor.state is not AuthState.CLOSED:
            successor.end_code = Reason.TAKEN_OVER
            self._engine.close(successor.sid)

    def end_silently(self, session: Session, *, is_here: bool) -> None:
        """End a session whose client came back: for everybody else it goes on."""
        self._engine.end_silently(session.sid)
        self._sessions.remove(session.sid)
        session.move(AuthStep.GONE)
        self._records.drop(session)
        self._signals.session_lost.send(session)
        self._subscriptions.leave_all(session)
        self._patterns.leave_all(session)
        self._admission.end(session)
        self._users.depart(session, tells_redis=not is_here)
        self._session_log.closed(session, Reason.TAKEN_OVER)


async def _nothing() -> None:
    """Wait for nothing."""
