"""The options of sessions that come back after their connection was lost."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.options import option


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    recovery_window_s: float = option(
        120.0,
        doc="How long a session that lost its connection may come back as the same session, with the "
        "messages that it missed.",
        unit="s",
    )
    replay_bytes: int = option(
        524_288,
        doc="The most that one session gets at once of the messages that it missed. A session that missed "
        "more is told so, and gets none of them.",
        unit="bytes",
        reloads=True,
    )
    ring_bytes: int = option(
        67_108_864,
        doc="The most that a node keeps in its memory of what it heard in the last recovery_window_s: from "
        "there clients get messages again that Redis keeps no history of.",
        unit="bytes",
    )
    session_records: int = option(
        100,
        doc="How many sessions of one user may be kept in Redis for recovery; the oldest make room for new "
        "ones.",
        unit="sessions",
        reloads=True,
    )
