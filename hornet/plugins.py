"""The names for authors of plug-ins: everything for authenticators, commands and set-ups. These names stay.

All other modules of Hornet may be moved and renamed.
"""

from hornet.broker.topic_listeners import TopicListener
from hornet.core.commands import Actions, Command, CommandError, Context, command
from hornet.core.errors import RedisUnavailable, RefusedByRedis, RefusedCredentials
from hornet.core.grants import Grant
from hornet.flows.auth.authenticator import Answer, Authenticator, Event, Evidence, Source
from hornet.flows.plugins.interface import NodeInterface

__all__ = [
    "Actions",
    "Answer",
    "Authenticator",
    "Command",
    "CommandError",
    "Context",
    "Event",
    "Evidence",
    "Grant",
    "NodeInterface",
    "RedisUnavailable",
    "RefusedByRedis",
    "RefusedCredentials",
    "Source",
    "TopicListener",
    "command",
]
