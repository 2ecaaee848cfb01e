"""The WSGI environments and the logger that python-socketio and its handlers expect."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from hornet.engine.transport.session import EngineSession

SOCKETIO_LOG = logging.getLogger("hornet.engine.socketio")
"""Where python-socketio writes."""


class ErrorsAsWarnings(logging.Filter):
    """Makes a warning of each error without an exception.

    python-socketio logs an error when Redis is away, but tries again by itself, so no person has to act.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno == logging.ERROR and not record.exc_info:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        return True


class Environs(Mapping[str, "dict[str, Any]"]):
    """The WSGI environment of each session for plug-ins, made from its handshake when it is asked for."""

    def __init__(self, sessions: Mapping[str, EngineSession]) -> None:
        self._sessions = sessions

    def __getitem__(self, eio_sid: str) -> dict[str, Any]:
        handshake = self._sessions[eio_sid].handshake
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "REMOTE_ADDR": handshake.address,
            "QUERY_STRING": "",
            "wsgi.url_scheme": "https" if handshake.secure else "http",
            "hornet.handshake": handshake,
        }
        for name, value in handshake.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)
