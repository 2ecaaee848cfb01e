"""The options of sessions, channels, limits, commands and users."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.backend_commands import check_client_event
from hornet.core.channels import CONTROL_CHANNEL, MAX_CHANNEL_CHARS, MAX_WILDCARDS
from hornet.core.message_limit import DEFAULT_MAX_MESSAGE_BYTES
from hornet.core.options import option, show_section


@dataclass(frozen=True, slots=True)
class SessionSettings:
    auth_timeout_s: float = option(
        10.0,
        doc="How long a client may stay connected without a valid credential; 0 for as long as it likes.",
        unit="s",
    )
    max_attempts: int = option(
        5,
        doc="Failed attempts in a row, other than with tokens, after which a session is closed; 0 for never.",
        unit="attempts",
        reloads=True,
    )
    client_events: tuple[str, ...] = option(
        (),
        doc="Events that authenticated sessions may emit for plug-ins, and for backends with "
        "`publish_client_events`. The names are your own; those of Hornet and of Socket.IO are refused.",
        unit="names",
    )
    publish_client_events: bool = option(
        False,
        doc="Publish each event that `client_events` names on `hornet:events:client:*`, within the limits "
        "`max_publish` and `max_publish_rate`.",
    )
    authentication_events: bool = option(
        False,
        doc="Tell backends of each attempt to authenticate, on `hornet:events:user:authenticated`.",
    )
    session_events: bool = option(
        False,
        doc="Tell backends of each session that is opened or closed, on `hornet:events:session:*`. That "
        "costs two publishes for each session.",
    )
    drain_window_s: float = option(
        5.0,
        doc="After SIGTERM, sessions are closed one after the other over this time, so that their clients do "
        "not all reconnect at once.",
        unit="s",
    )

    def __post_init__(self) -> None:
        for event in self.client_events:
            try:
                check_client_event(event)
            except ValueError as error:
                raise ValueError(f"client_events has {event!r}: {error}") from None


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    public_channels: tuple[str, ...] = option(
        (),
        doc="Channels that every authenticated session may subscribe to; `*` in a name stands for any run of "
        "characters.",
        unit="names",
        reloads=True,
    )
    channel_secrets: tuple[str, ...] = option(
        (),
        doc="Secrets with which backends sign private channels. Several may be valid at once, so that a "
        "secret can be replaced without a gap.",
        unit="secrets",
        secret=True,
        reloads=True,
    )
    public_patterns: bool = option(
        False,
        doc="Let every authenticated session subscribe to patterns; otherwise a token must name each one.",
        reloads=True,
    )
    max_members: int = option(
        1000,
        doc="Members that one channel may have at a time.",
        unit="members",
        reloads=True,
    )
    max_listed_members: int = option(
        250,
        doc="Members of one channel that are listed: each member is told of these, and of changes to them. "
        "Of a larger crowd, members know its number, and may ask for the others page by page.",
        unit="members",
        reloads=True,
    )
    max_presence_rate: float = option(
        5.0,
        doc="Requests per second for the members of a channel (`hornet:presence`) that a session may make; "
        "twice as many may come at once.",
        unit="requests/s",
        reloads=True,
    )
    max_history_rate: float = option(
        50.0,
        doc="Requests per second for the past of a channel (`hornet:history`, and `hornet:subscribe` with "
        "`rewind` or `since`) that a session may make; twice as many may come at once.",
        unit="requests/s",
        reloads=True,
    )
    max_patterns: int = option(
        100, doc="Patterns that one session may be subscribed to at a time.", unit="patterns", reloads=True
    )
    max_message_bytes: int = option(
        DEFAULT_MAX_MESSAGE_BYTES,
        doc="Longest message from backends, as JSON text in Redis. A longer one is refused where it is "
        "published through Hornet, and dropped where it comes from Redis. The default is an eighth of what "
        "Redis lets wait for a node before it closes the node's connection.",
        unit="bytes",
        reloads=True,
    )
    max_publish_rate: float = option(
        10.0,
        doc="Messages per second that a session may publish on the channels that its token grants; twice as "
        "many may come at once. Each message goes to all clients of a channel.",
        unit="messages/s",
        reloads=True,
    )
    max_publish_bytes: int = option(
        65_536,
        doc="Longest message that a client publishes, as JSON text; for an event of `client_events`, the "
        "longest list of its arguments.",
        unit="bytes",
        reloads=True,
    )

    def __post_init__(self) -> None:
        if not all(self.channel_secrets):
            raise ValueError("channel_secrets has an empty one: anyone could sign")
        for name in self.public_channels:
            if name == CONTROL_CHANNEL:
                raise ValueError(f"public_channels has {name!r}, which is reserved: every session has it")
            if len(name) > MAX_CHANNEL_CHARS or name.count("*") > MAX_WILDCARDS:
                raise ValueError(
                    f"public_channels has {name!r}, but a name has at most {MAX_CHANNEL_CHARS} characters "
                    f"and {MAX_WILDCARDS} '*'"
                )

    def __repr__(self) -> str:
        return show_section(self)


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Limits of one session. The engine's settings have the limits of an address."""

    max_channels_per_session: int = option(
        1000,
        doc="Channels that one session may subscribe to by itself; a page needs a handful.",
        unit="channels",
        reloads=True,
    )
    max_event_rate: float = option(
        50.0,
        doc="Events per second that a session may send; twice as many may come at once. A session that keeps "
        "sending at six times the rate is disconnected. The default is enough to follow a mouse pointer.",
        unit="events/s",
        reloads=True,
    )


@dataclass(frozen=True, slots=True)
class CommandSettings:
    plugins: tuple[str, ...] = option(
        (),
        doc="Installed plug-ins to set up when the node starts, by their names in the entry point group "
        "`hornet.plugins`.",
        unit="names",
    )
    commands: tuple[str, ...] = option(
        ("*",),
        doc="Commands of installed plug-ins that clients may call, by their names in the entry point group "
        "`hornet.commands`; `*` in a name stands for any run of characters. Empty for none.",
        unit="names",
    )
    command_timeout_s: float = option(
        10.0,
        doc="How long a command may take; then it is cancelled, and the client is told.",
        unit="s",
        reloads=True,
    )
    max_commands: int = option(
        8, doc="Commands of one session that may run at the same time.", unit="commands", reloads=True
    )
    max_command_rate: float = option(
        10.0,
        doc="Commands per second that a session may call; twice as many may come at once.",
        unit="commands/s",
        reloads=True,
    )


@dataclass(frozen=True, slots=True)
class UserSettings:
    user_grace_s: float = option(
        20.0,
        doc="Time after a user's last session ended until the user counts as gone. A reloaded page connects "
        "again within this time, so a reload does not count as a departure.",
        unit="s",
    )
    user_sessions: int = option(
        100,
        doc="How many sessions a user may have, on all nodes together. A browser that restores its tabs "
        "opens dozens at once.",
        unit="sessions",
        reloads=True,
    )
    forget_user_channels: bool = option(
        False,
        doc="When a user is gone, undo all subscriptions that the backend made for the user. Otherwise they "
        "stay until the backend undoes them.",
    )
