"""When a session must be pinged, and when it has been silent for too long.

In Engine.IO 4 the server sends pings and the client answers with pongs. In Engine.IO 3 the client sends the
pings. A client of version 4 must also connect to a Socket.IO namespace in time; a client of version 3 is
connected from the start.

Source: the Engine.IO protocol (https://github.com/socketio/engine.io-protocol), "Heartbeat" and "Difference
between v3 and v4".
"""

from __future__ import annotations

from enum import IntEnum

from hornet.engine.settings import EngineSettings


class Action(IntEnum):
    """The actions of a session when a time is due."""

    WAIT = 0
    """Nothing: the time has been moved since it was scheduled."""
    PING = 1
    """Send a ping."""
    PING_TIMEOUT = 2
    """End: the client did not send the pong (version 4) or the ping (version 3) in time."""
    CONNECT_TIMEOUT = 3
    """End: the client did not connect to a namespace in time."""


class Heartbeat:
    """The times that one session has to keep. All times are the event loop's, in seconds."""

    __slots__ = ("_awaits_client", "_connect_by", "_next_at")

    def __init__(self, settings: EngineSettings, protocol: int, now: float) -> None:
        self._awaits_client = protocol == 3
        """Whether the session ends at ``_next_at``; else it sends a ping then."""
        self._next_at = now + settings.ping_interval_s
        self._connect_by = 0.0
        """When the client must have connected to a namespace; 0 when it has, or need not."""
        if protocol == 3:
            self._next_at += settings.ping_timeout_s
        else:
            self._connect_by = now + settings.connect_timeout_s

    @property
    def due(self) -> float:
        """The time of the next call of ``on_timeout``."""
        if self._connect_by and self._connect_by < self._next_at:
            return self._connect_by
        return self._next_at

    def is_due(self, now: float) -> bool:
        """Return whether the time of ``on_timeout`` has come."""
        return now >= self._next_at or 0 < self._connect_by <= now

    @property
    def is_connected(self) -> bool:
        """Whether the client has connected to a namespace, now or before."""
        return not self._connect_by

    def on_connected(self) -> None:
        """Stop the connect timeout."""
        self._connect_by = 0.0

    def on_pong(self, settings: EngineSettings, now: float) -> None:
        """Schedule the next ping: a client of version 4 answered the last one."""
        self._awaits_client = False
        self._next_at = now + settings.ping_interval_s

    def on_ping(self, settings: EngineSettings, now: float) -> None:
        """Schedule the end anew: a client of version 3 sent its ping."""
        self._next_at = now + settings.ping_interval_s + settings.ping_timeout_s

    def on_timeout(self, settings: EngineSettings, now: float, late_s: float = 0.0) -> Action:
        """Return the action that is due now, and schedule the next one.

        ``late_s`` is how much later than scheduled a timer fires at rest. It does not prolong the time that a
        client has to answer a ping. A busy node, whose timers fire even later, gives its clients that time.
        """
        if self._connect_by and now >= self._connect_by:
            return Action.CONNECT_TIMEOUT
        if now < self._next_at:
            return Action.WAIT
        if self._awaits_client:
            return Action.PING_TIMEOUT
        self._awaits_client = True
        self._next_at = max(self._next_at, now - late_s) + settings.ping_timeout_s
        return Action.PING
