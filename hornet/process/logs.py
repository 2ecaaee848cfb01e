"""The log: one line per event on standard error, for people or for machines.

A line that is written while a session is served names that session. No line may hold a token, a payload or a
password; that is up to the code that writes the line.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from aiohttp import ClientConnectionResetError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from hornet.config import LogSettings
from hornet.flows.sessions.sessions import session_id

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def set_up(settings: LogSettings) -> None:
    """Write the log of this process to standard error, as ``settings`` say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter(TEXT))
    logging.basicConfig(handlers=[handler])
    set_level(settings)


def set_level(settings: LogSettings) -> None:
    """Set the least important level that is logged."""
    logging.getLogger().setLevel(settings.log_level.upper())


class HttpFaults(logging.Filter):
    """Keeps aiohttp's reports of requests that break HTTP, or are cut, out of the log, and counts the former.

    aiohttp logs an ERROR with a traceback and the client's bytes for each of them. A client could fill the
    log so, and a header may hold a secret.
    """

    def __init__(self, count: Callable[[], object]) -> None:
        super().__init__()
        self._count = count

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ClientConnectionResetError):
            return False  # the client left before the answer
        if not isinstance(error, HttpProcessingError | RequestPayloadError):
            return True
        self._count()
        return False


@contextmanager
def http_faults_counted(count: Callable[[], object]) -> Iterator[None]:
    """Filter aiohttp's log by :class:`HttpFaults` for as long as the context lasts."""
    logger = logging.getLogger("aiohttp.server")
    faults = HttpFaults(count)
    logger.addFilter(faults)
    try:
        yield
    finally:
        logger.removeFilter(faults)


class TextFormatter(logging.Formatter):
    """Lines for people. A line break in a client's text does not begin a new line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        session = session_id.get()
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        if session and session not in record.message:
            record.message += f" (session {session})"
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time``, ``level``, ``logger`` and ``message``.

    ``time`` is UTC in the format of RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339#section-5.6).

    A line about a session also has ``session``, one about a failure ``exception``.
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
