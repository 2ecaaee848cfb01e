"""Every key and channel that Hornet uses in Redis, in one table.

The names are a contract with connectors in other languages and may not change.

=========================== ======== ==========================================================
``hornet:token:<token>``    SET      the channels of a one-time token; expires (120 s by default)
``{hornet:token:<token>}:grant``
                            string   JSON ``{"user","info","publish"}`` of that token; same expiry; optional
``hornet:user-session:<user>``
                            string   the session id that proves to be this user; expires if so set
``hornet:nodes``            ZSET     the living nodes by the moment of their last heartbeat, in ms
``hornet:node:<id>:claim``  string   the node that cleans up behind that dead node; expires
``hornet:node:<id>:presence``
                            SET      the channels on which that node has members of presence
``hornet:presence:<channel>``
                            HASH     the sessions present on the channel, of all nodes
``hornet:presence:<channel>``
                            pub/sub  the changes of that HASH, for the nodes
``hornet:idempotency:<id>`` string   what was published under a backend's idempotency key; expires
``{hornet:history}:idempotency:<id>``
                            string   the same, on a Cluster
``{hornet:users}``          ZSET     the users that are online, by name: all have the score 0
``{hornet:users}:leaving``  ZSET     those of them without a session, by when they will be gone, in ms
``{hornet:users}:epoch``    string   when these data began, in ms; another value shows that Redis lost them
``{hornet:users}:sessions:<user>``
                            HASH     session id -> JSON ``{"node","address","since"}``
``{hornet:users}:node:<id>``HASH     session id -> user, of the sessions on that node
``{hornet:users}:channels:<user>``
                            SET      the channels to which the backend subscribed the user
``{hornet:users}:subscribed:<channel>``
                            SET      the same the other way round: those users
``{hornet:sessions}:<digest>``
                            HASH     the record of a session that can come back; expires
``{hornet:sessions}:user:<user>``
                            ZSET     the digests of the records of a user; expires
``{hornet:sessions}:revoked:<token>``
                            string   nobody comes back who got in by that token; expires
``{hornet:history}``        HASH     the clock of recorded publishes, and the last id on each topic
``{hornet:history}:s:<topic>``
                            stream   what was published on that topic lately; expires
``{hornet:history}:patterns``
                            ZSET     the topics of patterns, by the last id recorded there
``{hornet:history}:sweeper``string   there for as long as nodes need not look for topics to forget; expires
``hornet:tokens_id``        counter  used by connectors of the Node server; Hornet never needs it
``hornet:channel:<channel>``pub/sub  a backend publishes here; the channel's name may contain ``:``
``hornet:channel:hornet``   pub/sub  control messages from backends to every node
``hornet:user:<user>``      pub/sub  commands about a user, to the nodes where it has a session
``hornet:events:connect``   pub/sub  Hornet tells: a client was subscribed to a channel
``hornet:events:disconnect``pub/sub  Hornet tells: that client is gone
``hornet:ask``              pub/sub  a node asks all nodes what each of them knows
``hornet:answer:<id>``      pub/sub  they answer the node with that id
``hornet:node:<id>``        pub/sub  the node with that id is told that another took over one of its sessions
``hornet:probe:<id>``       pub/sub  the node with that id finds out whether it receives what is published
``socket.io#/#...``         pub/sub  what emitters of Socket.IO's Redis adapters send to clients
``<key>:<value>|...``       pub/sub  a backend publishes here to patterns; see ``core.patterns``
``hornet:events:user:*``    pub/sub  Hornet tells: a user came, came once more, or is gone; and of attempts to
                                     authenticate, if it shall
``hornet:events:session:*`` pub/sub  Hornet tells of each session, if it shall
``hornet:events:client:<event>``
                            pub/sub  Hornet passes on an event of a client, if it shall
``socketio``                pub/sub  what python-socketio processes tell each other
=========================== ======== ==========================================================
"""

from __future__ import annotations

from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.patterns import parse_topic

OWN_PREFIX = "hornet:"
"""Begins every topic except those of patterns, which have no prefix."""

_TOKEN = "hornet:token:"
_CHANNEL = "hornet:channel:"
USER_PREFIX = "hornet:user:"
PRESENCE_PREFIX = "hornet:presence:"

EVENTS = "hornet:events:"
EVENTS_CONNECT = f"{EVENTS}connect"
EVENTS_DISCONNECT = f"{EVENTS}disconnect"
EVENTS_USER_ONLINE = f"{EVENTS}user:online"
EVENTS_USER_SESSION = f"{EVENTS}user:session"
EVENTS_USER_GONE = f"{EVENTS}user:gone"
EVENTS_USER_AUTHENTICATED = f"{EVENTS}user:authenticated"
EVENTS_SESSION_OPENED = f"{EVENTS}session:opened"
EVENTS_SESSION_CLOSED = f"{EVENTS}session:closed"
NODES = "hornet:nodes"
ASK_TOPIC = "hornet:ask"
_ANSWER = "hornet:answer:"
_PROBE = "hornet:probe:"
NODE_PREFIX = "hornet:node:"
EMITTERS_GLOB = "socket.io#/#*"
"""Rooms of the default namespace; an emitter for a single room appends its name and a ``#``."""
MANAGER_TOPIC = "socketio"
"""The topic of python-socketio's managers, by its own name."""

USERS = "{hornet:users}"
"""One hash tag for all keys about users: a script that changes the state of a user uses several of them,
which a Cluster must have in one slot."""

SESSION_RECORDS = "{hornet:sessions}"
"""The hash tag of all keys about sessions that can come back."""

HISTORY = "{hornet:history}"
"""One hash tag for all keys of the history: one clock counts for all topics, so one script needs all keys."""

HISTORY_PATTERNS = f"{HISTORY}:patterns"
HISTORY_SWEEPER = f"{HISTORY}:sweeper"

USERS_LEAVING = f"{USERS}:leaving"
USERS_EPOCH = f"{USERS}:epoch"


def own_topics(node: str) -> tuple[str, ...]:
    """Return the topics to which the node with that id subscribes as long as it runs."""
    return CONTROL_TOPIC, MANAGER_TOPIC, ASK_TOPIC, answer_topic(node), node_topic(node), probe_topic(node)


def node_topic(node: str) -> str:
    """Return the topic on which other nodes tell the node with that id what concerns it alone."""
    return NODE_PREFIX + node


def session_record_key(digest: str) -> str:
    return f"{SESSION_RECORDS}:{digest}"


def user_records_key(user: str) -> str:
    return f"{SESSION_RECORDS}:user:{user}"


def revoked_key(token: str) -> str:
    return f"{SESSION_RECORDS}:revoked:{token}"


def token_key(token: str) -> str:
    return _TOKEN + token


def grant_key(token: str) -> str:
    """Return the key of a token's grant. A token that contains braces has none: see :func:`may_have_grant`.

    The braces make a Cluster keep the key in the slot of :func:`token_key`, so that one script may use both.
    """
    return f"{{{_TOKEN}{token}}}:grant"


def may_have_grant(token: str) -> bool:
    """Return False for a token with a brace: a Cluster would find another slot. No connector makes them."""
    return "{" not in token and "}" not in token


def user_session_key(user: str) -> str:
    return f"hornet:user-session:{user}"


def claim_key(node: str) -> str:
    return f"hornet:node:{node}:claim"


def presence_key(channel: str) -> str:
    """Return the key of the members of ``channel``, which is also the topic of their changes."""
    return PRESENCE_PREFIX + channel


def presence_channel_of(topic: str) -> str:
    """Return the channel of a topic: the inverse of :func:`presence_key`."""
    return topic.removeprefix(PRESENCE_PREFIX)


def node_presence_key(node: str) -> str:
    """Return the key of the channels on which a node wrote members."""
    return f"hornet:node:{node}:presence"


def answer_topic(node: str) -> str:
    """Return the topic on which the other nodes answer the questions of ``node``."""
    return _ANSWER + node


def probe_topic(node: str) -> str:
    """Return the topic on which ``node`` publishes to itself."""
    return _PROBE + node


def idempotency_key(digest: str) -> str:
    return f"hornet:idempotency:{digest}"


def cluster_idempotency_key(digest: str) -> str:
    """Return the same key for a Cluster, where it must be in the slot of the history."""
    return f"{HISTORY}:idempotency:{digest}"


def user_sessions_key(user: str) -> str:
    return f"{USERS}:sessions:{user}"


def node_sessions_key(node: str) -> str:
    return f"{USERS}:node:{node}"


def user_channels_key(user: str) -> str:
    return f"{USERS}:channels:{user}"


def channel_users_key(channel: str) -> str:
    return f"{USERS}:subscribed:{channel}"


def user_topic(user: str) -> str:
    """Return the topic of commands about ``user``."""
    return USER_PREFIX + user


def user_of(topic: str) -> str:
    """Return the user of a topic: the inverse of :func:`user_topic`."""
    return topic.removeprefix(USER_PREFIX)


def client_event_topic(event: str) -> str:
    """Return the topic on which Hornet passes on ``event`` of clients."""
    return f"{EVENTS}client:{event}"


def channel_topic(channel: str) -> str:
    """Return the topic on which backends publish to ``channel``."""
    return _CHANNEL + channel


def channel_of(topic: str) -> str:
    """Return the channel of a topic: the inverse of :func:`channel_topic`. The name may contain ``:``."""
    return topic.removeprefix(_CHANNEL)


CONTROL_TOPIC = channel_topic(CONTROL_CHANNEL)


def carries_messages(topic: str) -> bool:
    """Return whether clients get messages of ``topic``: of a channel, of a user or of a pattern."""
    if topic.startswith(_CHANNEL):
        return topic != CONTROL_TOPIC
    return topic.startswith(USER_PREFIX) or parse_topic(topic) is not None
