"""The Socket.IO engine. Nothing outside this package imports ``socketio`` or ``engineio``."""

from hornet.engine.server import Engine
from hornet.engine.settings import EngineSettings
from hornet.engine.types import Handshake, Hooks

__all__ = ["Engine", "EngineSettings", "Handshake", "Hooks"]
