"""The log: one line per event on standard error, for people or for machines.

A line that is written while a session is served names that session. What goes into a line is the business
of who writes it: never a token, a payload or a password.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import ClientConnectionResetError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from hornet.config import LogSettings
from hornet.flows.sessions.sessions import session_id

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def set_up(settings: LogSettings) -> None:
    """Write the log of this process as ``settings`` say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter(TEXT))
    logging.basicConfig(handlers=[handler])
    set_level(settings)


def set_level(settings: LogSettings) -> None:
    """Follow the level from now on."""
    logging.getLogger().setLevel(settings.log_level.upper())


class HttpFaults(logging.Filter):
    """Keeps requests that break HTTP out of the log, and has them counted; those that are cut, too.

    aiohttp writes an ERROR with a traceback, and the client's bytes, for each of them: whoever wants could
    fill the log, and what is in a header may be secret.
    """

    def __init__(self, count: Callable[[], object]) -> None:
        super().__init__()
        self._count = count

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ClientConnectionResetError):
            return False  # the client left before it was answered
        if not isinstance(error, HttpProcessingError | RequestPayloadError):
            return True
        self._count()
        return False


class TextFormatter(logging.Formatter):
    """Lines for people. A client's line break does not begin a new one."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        session = session_id.get()
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        if session and session not in record.message:
            record.message += f" (session {session})"
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time`` (UTC, RFC 3339), ``level``, ``logger``, ``message``.

    And where there is one, ``session`` and ``exception``.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if session := session_id.get():
            fields["session"] = session
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
