"""The ways of proving something, each in a file that can be read alone, and what a new one is made of."""

from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.flows.auth.authenticator import Answer, Authenticator, Event, Evidence, Source

__all__ = ["Answer", "Authenticator", "Event", "Evidence", "Grant", "RefusedCredentials", "Source"]
