"""The Socket.IO engine: every client since socket.io-client 1.x on one path."""

from hornet.core.messages import Delivery, Outgoing
from hornet.engine.counts import Counts
from hornet.engine.engine import Engine
from hornet.engine.settings import EngineSettings
from hornet.engine.types import Handshake, Hooks, Reason

__all__ = ["Counts", "Delivery", "Engine", "EngineSettings", "Handshake", "Hooks", "Outgoing", "Reason"]
