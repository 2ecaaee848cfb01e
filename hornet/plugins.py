"""The names for authors of plug-ins: everything for authenticators and commands. These names stay.

All other modules of Hornet may be moved and renamed.
"""

from hornet.core.commands import Command, CommandError, Context, command
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.flows.auth.authenticator import Answer, Authenticator, Event, Evidence, Source

__all__ = [
    "Answer",
    "Authenticator",
    "Command",
    "CommandError",
    "Context",
    "Event",
    "Evidence",
    "Grant",
    "RefusedCredentials",
    "Source",
    "command",
]
