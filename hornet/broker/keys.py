"""Every key and channel that Hornet uses in Redis, in one table.

The names are a contract with connectors in other languages and may not change.

=========================== ======== ==========================================================
``hornet:token:<token>``    SET      the channels of a one-time token; expires (120 s by default)
``hornet:tokens_id``        counter  used by connectors of the Node server; Hornet never needs it
``hornet:channel:<channel>``pub/sub  a backend publishes here; the channel's name may contain ``:``
``hornet:channel:hornet``   pub/sub  control messages from backends to every node
``hornet:events:connect``   pub/sub  Hornet tells: a client was subscribed to a channel
``hornet:events:disconnect``pub/sub  Hornet tells: that client is gone
``socketio``                pub/sub  what python-socketio processes tell each other
=========================== ======== ==========================================================
"""

from __future__ import annotations

from hornet.core.channels import CONTROL_CHANNEL

_TOKEN = "hornet:token:"
_CHANNEL = "hornet:channel:"

EVENTS_CONNECT = "hornet:events:connect"
EVENTS_DISCONNECT = "hornet:events:disconnect"


def token_key(token: str) -> str:
    return _TOKEN + token


def channel_topic(channel: str) -> str:
    """The pub/sub channel on which backends publish to ``channel``."""
    return _CHANNEL + channel


def channel_of(topic: str) -> str:
    """The inverse of :func:`channel_topic`: all after the prefix is the name, ``:`` included."""
    return topic.removeprefix(_CHANNEL)


CONTROL_TOPIC = channel_topic(CONTROL_CHANNEL)
