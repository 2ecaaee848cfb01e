"""Commands of backends about a user, carried out for that user's sessions on this node."""

from __future__ import annotations

import logging

from hornet.broker.keys import user_of
from hornet.core import codes
from hornet.core.backend_commands import (
    ChannelsChanged,
    DisconnectUser,
    Notify,
    UserCommand,
    parse_user_command,
)
from hornet.core.errors import InvalidPublish
from hornet.core.message_limit import MessageLimit
from hornet.engine import Engine
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.rooms import room_of_user
from hornet.flows.recovery.record_deletions import RecordDeletions
from hornet.flows.sessions.sessions import Sessions
from hornet.flows.users.channels import UserChannels
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class UserCommandHandler:
    """Receives the topics of users. A malformed command is dropped, counted and logged."""

    def __init__(
        self,
        *,
        engine: Engine,
        sessions: Sessions,
        channels: UserChannels,
        admission: Admission,
        deletions: RecordDeletions,
        limit: MessageLimit,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._channels = channels
        self._admission = admission
        self._deletions = deletions
        self._limit = limit
        self._metrics = metrics

    def receive(self, topic: str, payload: bytes) -> None:
        """Carry out one command about the user of ``topic``; never raises."""
        try:
            self._limit.check(payload)
            self._carry_out(user_of(topic), parse_user_command(payload))
        except InvalidPublish as error:
            self._metrics.dropped.labels(error.code).inc()
            log.warning("Dropped a command of %d bytes about a user: %s", len(payload), error.detail)

    def _carry_out(self, user: str, command: UserCommand) -> None:
        match command:
            case Notify(event, payload):
                self._notify(user, event, payload)
            case ChannelsChanged():
                self._channels.changed(user)
            case DisconnectUser():
                self._deletions.forget_user(user)
                for session in self._sessions.of_user(user):
                    self._admission.close(session, codes.USER_DISCONNECTED)

    def _notify(self, user: str, event: str, payload: object) -> None:
        try:
            count = self._engine.send_room(room_of_user(user), event, payload)
        except ValueError:
            raise InvalidPublish(codes.NOT_JSON, "the payload has a number that JSON can't carry") from None
        self._metrics.notifications.inc()
        self._metrics.deliveries.inc(count)
