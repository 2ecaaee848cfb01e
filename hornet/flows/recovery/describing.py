"""What a session's record says: of the session as it is, and as it is about to be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from hornet.core.credentials import Credentials
from hornet.core.grants import Grant
from hornet.core.session_records import HeldChannel, SessionRecord
from hornet.flows.sessions.sessions import Session, SubscribedBy


def describe(session: Session, since: Mapping[str, str], patterns: Collection[str]) -> SessionRecord:
    """Return the record of a session; ``since`` has the offset at which it entered each channel."""
    return SessionRecord(
        sid=session.sid,
        user=session.user,
        info=session.info,
        attributes=session.attributes or None,
        publish=session.publish.patterns,
        channels={name: HeldChannel(int(by), since.get(name, "")) for name, by in session.channels.items()},
        patterns=tuple(patterns),
        tokens=dict(session.tokens),
        delivery=session.delivery,
    )


def with_grant(
    record: SessionRecord, session: Session, grant: Grant, claim: object, offset: str
) -> SessionRecord:
    """Return the record of a session that has ``grant`` too, which ``claim`` proves, from ``offset`` on."""
    channels = {name: HeldChannel(SubscribedBy.CLIENT, offset) for name in grant.channels}
    tokens = {claim.token: claim.channels} if isinstance(claim, Credentials) else {}
    return replace(
        record,
        user=grant.user if grant.user is not None else session.user,
        info=grant.info if grant.user is not None else session.info,
        attributes={**(session.attributes or {}), **(grant.attributes or {})} or None,
        publish=(session.publish | grant.publish).patterns,
        channels={**channels, **record.channels},
        tokens={**record.tokens, **tokens},
    )
