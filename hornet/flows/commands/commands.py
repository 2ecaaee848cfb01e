"""Commands that clients call: a plug-in's code runs beside the session's other events, and then answers.

A command runs in a task of its own, so a slow one holds up nothing; a session gets its answers in the order
in which its commands end. What goes wrong in the plug-in is logged here, whole, and never told to the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from hornet.core.commands import (
    COMMAND_FAILED,
    COMMAND_TIMEOUT,
    TOO_MANY_COMMANDS,
    UNKNOWN_COMMAND,
    Command,
    CommandError,
    Context,
    parse_call,
)
from hornet.core.errors import PeerError
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.limits import RateLimiter
from hornet.core.sessions import AuthState
from hornet.flows.sessions.router import RefusedEvent, Router
from hornet.flows.sessions.sessions import Session
from hornet.flows.sessions.signals import Signals
from hornet.flows.settings import CommandSettings
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

COMMAND = "hornet:command"

NOT_AUTHENTICATED = "NOT_AUTHENTICATED"
RATE_LIMITED = "RATE_LIMITED"
FAILURE = "The command failed; what went wrong is in the server's log"

Answer = dict[str, object]


class _Caller:
    """How fast one session calls, and how many commands run for it."""

    __slots__ = ("pace", "running")

    def __init__(self, per_s: float, now: float) -> None:
        self.pace = RateLimiter(per_s, now)
        self.running = 0


class Commands:
    """Answers ``hornet:command``."""

    def __init__(
        self,
        settings: CommandSettings,
        commands: Mapping[str, Command[Any]],
        router: Router,
        signals: Signals,
        metrics: Metrics,
    ) -> None:
        self.settings = settings
        """May be replaced at any time."""
        self._commands = commands
        self._metrics = metrics
        self._callers: dict[Session, _Caller] = {}
        self._running: set[asyncio.Task[Answer]] = set()
        router.on(COMMAND, self.call, needs_authentication=False)
        signals.session_closed.connect(self._on_session_closed)

    async def call(self, session: Session, args: Sequence[object]) -> Answer | asyncio.Task[Answer]:
        """Begin a command. The task that is returned ends with the answer.

        It is not cut short when the session ends: what to do about half of its work, only the plug-in knows.

        Raises:
            PeerError: ``WRONG_PARAMETERS``, ``NOT_AUTHENTICATED``, ``UNKNOWN_COMMAND``, ``SESSION_ENDED``,
                ``RATE_LIMITED``, ``TOO_MANY_COMMANDS`` or ``INVALID_DATA``; nothing has begun.
        """
        name, data = parse_call(args[0] if args else None)
        command = self._find(session, name)
        caller = self._take_turn(session)
        try:
            checked = command.check(data)
        except PeerError:
            self._count(name, "refused")
            raise
        except Exception:  # of a plug-in, whatever it is
            log.exception("The validator of command %r failed", name)
            return self._fail(name)
        context = Context(
            session.sid, session.user, session.info, session.attributes, frozenset(session.channels)
        )
        task = asyncio.create_task(self._run(name, command, context, checked), name="hornet-command")
        caller.running += 1
        self._running.add(task)
        task.add_done_callback(lambda task: self._on_ended(caller, task))
        return task

    async def close(self, timeout_s: float) -> None:
        """Return when no command runs any more; those that take longer than this are cancelled."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _find(self, session: Session, name: str) -> Command[Any]:
        command = self._commands.get(name)
        if session.state is AuthState.CLOSED:
            raise RefusedEvent("SESSION_ENDED", "The session ended meanwhile")
        if session.state is not AuthState.READY and (command is None or command.needs_authentication):
            raise RefusedEvent(NOT_AUTHENTICATED, "Show a valid credential first")
        if command is None:
            raise RefusedEvent(UNKNOWN_COMMAND, "No command has this name")
        return command

    def _take_turn(self, session: Session) -> _Caller:
        per_s, now = self.settings.max_command_rate, asyncio.get_running_loop().time()
        caller = self._callers.get(session)
        if caller is None:
            caller = self._callers[session] = _Caller(per_s, now)
        if not caller.pace.offer(per_s, now):
            raise RefusedEvent(RATE_LIMITED, f"A session calls {per_s:g} commands a second at most")
        if caller.running >= self.settings.max_commands:
            raise RefusedEvent(
                TOO_MANY_COMMANDS, f"A session has {self.settings.max_commands} commands running at most"
            )
        return caller

    async def _run(self, name: str, command: Command[Any], context: Context, data: object) -> Answer:
        timeout = asyncio.timeout(self.settings.command_timeout_s)
        try:
            async with timeout:
                result = await command.run(context, data)
            answer = parse_json(dump_json(result))  # what JSON can't carry, no client gets
        except CommandError as error:
            self._count(name, "refused")
            return _error(error.code, error.detail)
        except (Exception, asyncio.CancelledError) as error:  # of a plug-in, whatever it is
            if isinstance(error, TimeoutError) and timeout.expired():
                return self._time_out(name)
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            log.exception("Command %r failed", name)
            return self._fail(name)
        self._count(name, "done")
        return {"ok": True, "result": answer}

    def _time_out(self, name: str) -> Answer:
        log.warning("Command %r took longer than %g s", name, self.settings.command_timeout_s)
        self._count(name, "timeout")
        self._metrics.refused.labels(COMMAND_TIMEOUT).inc()
        return _error(COMMAND_TIMEOUT, "The command took too long")

    def _fail(self, name: str) -> Answer:
        self._count(name, "failed")
        self._metrics.refused.labels(COMMAND_FAILED).inc()
        return _error(COMMAND_FAILED, FAILURE)

    def _count(self, name: str, outcome: str) -> None:
        self._metrics.commands.labels(name, outcome).inc()

    def _on_ended(self, caller: _Caller, task: asyncio.Task[Answer]) -> None:
        caller.running -= 1
        self._running.discard(task)

    def _on_session_closed(self, session: Session, reason: str) -> None:
        self._callers.pop(session, None)


def _is_cancelled() -> bool:
    """Whether this task was asked to end; if not, something that the plug-in waited for was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _error(code: str, detail: str) -> Answer:
    return {"error": {"code": code, "message": detail}}
