"""The Socket.IO engine: every client since socket.io-client 1.x on one path.

What stands here is the engine's whole public face. Code outside imports nothing else of it, except the
settings' own module.
"""

from hornet.core.messages import Delivery, Outgoing
from hornet.engine.counts import Counts
from hornet.engine.engine import Engine
from hornet.engine.settings import EngineSettings
from hornet.engine.socketio.manager import Publish
from hornet.engine.types import FollowedAnswer, Handshake, Hooks, Reason, RestoredSession
from hornet.engine.wire.prepared import PreparedMessage, SharedAnswer

__all__ = [
    "Counts",
    "Delivery",
    "Engine",
    "EngineSettings",
    "FollowedAnswer",
    "Handshake",
    "Hooks",
    "Outgoing",
    "PreparedMessage",
    "Publish",
    "Reason",
    "RestoredSession",
    "SharedAnswer",
]
