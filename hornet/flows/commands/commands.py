"""Commands that clients call: code of a plug-in runs beside the session's other events, and then answers.

A command runs in a task of its own, so a slow command delays nothing else. A session gets its answers in the
order in which its commands end. An error in the plug-in is logged with its traceback; the client is told only
that the command failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hornet.core import answers, codes
from hornet.core.commands import Actions, Command, CommandError, Context, parse_call
from hornet.core.errors import PeerError, RedisUnavailable, RefusedByRedis
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.limits import OverLimit
from hornet.core.sessions import AuthState
from hornet.flows.process.background import finish
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Activity, Session
from hornet.flows.settings import CommandSettings
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

Answer = dict[str, object]


class CommandRunner:
    """Answers ``hornet:command``."""

    def __init__(
        self,
        *,
        settings: CommandSettings,
        commands: Mapping[str, Command[Any]],
        actions_of: Callable[[Session], Actions],
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._commands = commands
        self._actions_of = actions_of
        self._metrics = metrics
        self._counts: Counter[Session] = Counter()
        self._running: set[asyncio.Task[Answer]] = set()

    def configure(self, settings: CommandSettings) -> None:
        """Follow ``settings`` from now on."""
        self._settings = settings

    async def call(self, session: Session, args: Sequence[object]) -> Answer | asyncio.Task[Answer]:
        """Begin a command. The task that is returned ends with the answer.

        It is not cut short when the session ends: what to do about half of its work, only the plug-in knows.

        Raises:
            PeerError: ``WRONG_PARAMETERS``, ``NOT_AUTHENTICATED``, ``UNKNOWN_COMMAND``, ``SESSION_ENDED``,
                ``RATE_LIMITED``, ``TOO_MANY_COMMANDS`` or ``INVALID_DATA``; nothing has begun.
        """
        name, data = parse_call(args[0] if args else None)
        command = self._find(session, name)
        self._check_limits(session)
        try:
            checked = command.check(data)
        except PeerError:
            self._count(name, "refused")
            raise
        except Exception:  # a plug-in may raise anything
            log.exception("The validator of command %r failed", name)
            return self._fail(name)
        context = Context(
            session.sid,
            session.user,
            session.info,
            session.attributes,
            frozenset(session.channels),
            self._actions_of(session),
        )
        task = asyncio.create_task(self._run(name, command, context, checked), name="hornet-command")
        self._counts[session] += 1
        self._running.add(task)
        task.add_done_callback(lambda task: self._on_ended(session, task))
        return task

    async def close(self, timeout_s: float) -> None:
        """Return when no command runs any more; those that take longer than this are cancelled."""
        await finish(self._running, timeout_s)

    def _find(self, session: Session, name: str) -> Command[Any]:
        command = self._commands.get(name)
        if session.state is AuthState.CLOSED:
            raise RefusedEvent(codes.SESSION_ENDED)
        if session.state is not AuthState.READY and (command is None or command.needs_authentication):
            raise RefusedEvent(codes.NOT_AUTHENTICATED)
        if command is None:
            raise RefusedEvent(codes.UNKNOWN_COMMAND)
        return command

    def _check_limits(self, session: Session) -> None:
        per_s, max_running = self._settings.max_command_rate, self._settings.max_commands
        if not session.may(Activity.COMMAND, per_s, asyncio.get_running_loop().time()):
            raise RefusedEvent(codes.RATE_LIMITED, f"A session calls {per_s:g} commands a second at most")
        if self._counts[session] >= max_running:
            raise RefusedEvent(
                codes.TOO_MANY_COMMANDS, f"A session has {max_running} commands running at most"
            )

    async def _run(self, name: str, command: Command[Any], context: Context, data: object) -> Answer:
        timeout = asyncio.timeout(self._settings.command_timeout_s)
        try:
            async with timeout:
                result = await command.run(context, data)
            answer = parse_json(dump_json(result))  # refuses a result that JSON can't carry
        except (CommandError, OverLimit) as error:
            self._count(name, "refused")
            return answers.error_acknowledgement(error.code, error.detail)
        except RedisUnavailable as error:
            log.warning("Command %r failed: %s", name, error)
            code = codes.REFUSED_BY_REDIS if isinstance(error, RefusedByRedis) else codes.UNAVAILABLE
            return self._fail(name, code)
        except (Exception, asyncio.CancelledError) as error:  # a plug-in may raise anything
            if isinstance(error, TimeoutError) and timeout.expired():
                return self._time_out(name)
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            log.exception("Command %r failed", name)
            return self._fail(name)
        self._count(name, "done")
        return {"ok": True, "result": answer}

    def _time_out(self, name: str) -> Answer:
        log.warning("Command %r took longer than %g s", name, self._settings.command_timeout_s)
        self._count(name, "timeout")
        self._metrics.refused.labels(codes.COMMAND_TIMEOUT).inc()
        return answers.error_acknowledgement(codes.COMMAND_TIMEOUT)

    def _fail(self, name: str, code: str = codes.COMMAND_FAILED) -> Answer:
        self._count(name, "failed")
        self._metrics.refused.labels(code).inc()
        return answers.error_acknowledgement(code)

    def _count(self, name: str, outcome: str) -> None:
        self._metrics.commands.labels(name, outcome).inc()

    def _on_ended(self, session: Session, task: asyncio.Task[Answer]) -> None:
        self._running.discard(task)
        self._counts[session] -= 1
        if not self._counts[session]:
            del self._counts[session]


def _is_cancelled() -> bool:
    """Check whether this task is being cancelled, and not only something that the plug-in waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
