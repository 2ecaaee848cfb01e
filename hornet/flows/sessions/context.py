"""Which session is being served, for whatever is logged meanwhile."""

from __future__ import annotations

from contextvars import ContextVar

session_id: ContextVar[str] = ContextVar("session_id", default="")
"""The id of the session on whose behalf this task runs; empty where there is none."""
