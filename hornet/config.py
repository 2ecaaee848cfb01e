"""The configuration: defaults, overridden by a file, the environment and flags, in this order.

Each component declares its own section (a frozen dataclass whose fields carry their documentation). An
option has one name everywhere: ``auth_timeout`` in a TOML or JSON file, ``HORNET_AUTH_TIMEOUT`` in the
environment, ``--auth-timeout`` on the command line. An unknown name is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from hornet.broker.settings import RedisSettings
from hornet.core.addresses import parse_networks
from hornet.core.errors import SetupError
from hornet.core.options import option as declare_option
from hornet.core.origins import parse_origin
from hornet.engine.settings import EngineSettings
from hornet.flows.auth.settings import AuthenticationSettings, BackendSettings
from hornet.flows.settings import (
    ChannelSettings,
    CommandSettings,
    LimitSettings,
    SessionSettings,
    UserSettings,
)
from hornet.web.api.settings import ApiSettings
from hornet.web.settings import ServerSettings

ENVIRONMENT_PREFIX = "HORNET_"
CONFIG_VARIABLE = "HORNET_CONFIG"
COMMAND_VARIABLES = ("HORNET_URL", "HORNET_KEY")
"""Variables of the command ``hornet``, which a server passes over."""

UNIT_SUFFIXES = ("_s", "_bytes")


@dataclass(frozen=True, slots=True)
class LogSettings:
    log_level: str = declare_option(
        "info",
        doc="Least important level that is logged: debug, info, warning or error.",
        unit="level",
        reloads=True,
    )
    log_format: str = declare_option(
        "text", doc="How a line of the log looks: text for people, json for machines.", unit="format"
    )

    def __post_init__(self) -> None:
        if self.log_level.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError(f"log_level {self.log_level!r} is not debug, info, warning or error")
        if self.log_format not in ("text", "json"):
            raise ValueError(f"log_format {self.log_format!r} is not text or json")


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, each value within its limits. Each component gets its own section of it.

    Raises:
        ValueError: a value is outside its limits; the message names the option.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    sessions: SessionSettings = field(default_factory=SessionSettings)
    authentication: AuthenticationSettings = field(default_factory=AuthenticationSettings)
    backend: BackendSettings = field(default_factory=BackendSettings)
    users: UserSettings = field(default_factory=UserSettings)
    channels: ChannelSettings = field(default_factory=ChannelSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    log: LogSettings = field(default_factory=LogSettings)

    def __post_init__(self) -> None:
        for option in options():
            _check(option, getattr(getattr(self, option.section), option.field))
        if not self.engine.trusted_proxies:
            for name in ("user_header", "attribute_headers"):
                if getattr(self.authentication, name):
                    raise ValueError(f"{name} needs trusted_proxies: from anyone else headers are ignored")


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its place in :class:`Config`, and the facts that its section declares."""

    section: str
    field: str
    kind: Any
    default: Any
    doc: str
    unit: str
    secret: bool
    reloads: bool

    @property
    def name(self) -> str:
        """The field's name without the unit at its end. Documentation and ``--help`` name the unit."""
        for suffix in UNIT_SUFFIXES:
            if self.field.endswith(suffix):
                return self.field.removesuffix(suffix)
        return self.field

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def is_list(self) -> bool:
        return bool(self.kind == tuple[str, ...])


def options() -> Iterator[Option]:
    """Yield every option, in the order of the sections."""
    for part in dataclasses.fields(Config):
        section = get_type_hints(Config)[part.name]
        hints = get_type_hints(section)
        for item in dataclasses.fields(section):
            facts = item.metadata
            yield Option(
                part.name,
                item.name,
                hints[item.name],
                item.default,
                facts["doc"],
                facts["unit"],
                facts["secret"],
                facts["reloads"],
            )


def load_config(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Config:
    """Merge the file, the environment and ``flags`` (the given values by option name) into a configuration.

    Raises:
        SetupError: an unknown name, or a value of the wrong kind; the sentence names both it and its source.
    """
    known = {option.name: option for option in options()}
    given = _merge(known, flags, environment, file)
    values = {name: _convert(known[name], value, source) for name, (value, source) in given.items()}
    return _build(known, values)


def find_sources(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None
) -> dict[str, str]:
    """Return for each option that is set, by name, the place of the value that counts.

    Raises:
        SetupError: an unknown name, or a file that can't be read.
    """
    known = {option.name: option for option in options()}
    return {name: source for name, (_, source) in _merge(known, flags, environment, file).items()}


def _merge(
    known: Mapping[str, Option],
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    file: Path | None,
) -> dict[str, tuple[Any, str]]:
    """Return the value of each option that is set, as it was written, and its source."""
    if file is None and environment.get(CONFIG_VARIABLE):
        file = Path(environment[CONFIG_VARIABLE])
    values: dict[str, tuple[Any, str]] = {}
    for source, given in (
        (f"the file {file}", _read_file(file) if file else {}),
        ("the environment", _read_environment(environment, known)),
        ("the command line", flags),
    ):
        for name, value in given.items():
            if name not in known:
                if isinstance(value, dict):
                    raise SetupError(
                        f"There is a table [{name}] in {source}, but options stand at the top level: "
                        "leave out the table's name."
                    )
                raise SetupError(f"Unknown option {name!r} in {source}{_similar(name, known)}.")
            values[name] = (value, source)
    return values


def take_reloadable(running: Config, wanted: Config) -> tuple[Config, list[str], list[str]]:
    """Return ``running`` with the options of ``wanted`` that may change while a server runs.

    Also return the names of the options that changed, and of those that differ but need a restart.
    """
    changed, need_restart = [], []
    sections: dict[str, dict[str, Any]] = {}
    for option in options():
        value = getattr(getattr(wanted, option.section), option.field)
        if value == getattr(getattr(running, option.section), option.field):
            continue
        if option.reloads:
            changed.append(option.name)
            sections.setdefault(option.section, {})[option.field] = value
        else:
            need_restart.append(option.name)
    parts = {name: dataclasses.replace(getattr(running, name), **fields) for name, fields in sections.items()}
    return dataclasses.replace(running, **parts), changed, need_restart


def _build(known: Mapping[str, Option], values: Mapping[str, Any]) -> Config:
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        sections.setdefault(known[name].section, {})[known[name].field] = value
    hints = get_type_hints(Config)
    try:
        return Config(**{section: hints[section](**fields) for section, fields in sections.items()})
    except ValueError as error:
        raise SetupError(f"The configuration is not valid: {error}.") from None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"The configuration file {path} can't be read: {getattr(error, 'strerror', error)}."
        ) from None
    try:
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SetupError(f"The configuration file {path} is malformed: {error}.") from None
    if not isinstance(values, dict):
        raise SetupError(f"The configuration file {path} holds no table of options.")
    return values


def _read_environment(environment: Mapping[str, str], known: Mapping[str, Option]) -> dict[str, str]:
    variables = {option.variable: option.name for option in known.values()}
    values = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in (CONFIG_VARIABLE, *COMMAND_VARIABLES):
            continue
        if variable not in variables:
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            raise SetupError(
                f"Unknown environment variable {variable}{_similar(name, known, ENVIRONMENT_PREFIX)}."
            )
        values[variables[variable]] = value
    return values


def _similar(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a hint at the name that was probably meant, or "" if no name is similar."""
    for similar in difflib.get_close_matches(name, known, 1):
        meant = prefix + similar.upper() if prefix else repr(similar)
        return f"; did you mean {meant}"
    return ""


def _convert(option: Option, value: Any, source: str) -> Any:
    """Return the value in the type of its option; text is read as people write it."""
    try:
        if option.is_list:
            return _convert_list(value)
        if option.kind is bool:
            return _convert_bool(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        if option.kind is str and not isinstance(value, str):
            raise ValueError
        if option.kind is int and isinstance(value, float):
            raise ValueError
        return option.kind(value)
    except (ValueError, OverflowError):
        text = "***" if option.secret else repr(value)
        raise SetupError(
            f"{text} in {source} is not {_KINDS[option.kind]}, which {option.name!r} takes."
        ) from None


def _convert_list(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(item.strip() for item in items if item.strip())


def _convert_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("1", "true", "yes", "on"):
        return True
    if isinstance(value, str) and value.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[str, ...]: "a list of text",
}

_MAY_BE_ZERO = {
    "port": "a free one",
    "auth_timeout_s": "no timeout",
    "max_attempts": "any number of attempts",
    "drain_window_s": "all at once",
    "api_rate": "no limit",
    "max_connections": "what the system allows",
    "user_grace_s": "gone at once",
}
"""The numbers for which 0 has a meaning. For any other, 0 would mean that nothing works."""

_LEAST = {"send_buffer_bytes": 16_384, "max_payload_bytes": 1000}
"""The least of these numbers with which a client can still connect and receive a message."""

_LEAST_SECRET_CHARS = 16

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")


def _check(option: Option, value: Any) -> None:
    """Check that a value of the right kind also makes sense for its option.

    Raises:
        ValueError: the value makes no sense; the message names the option and the values that it takes.
    """
    if option.kind in (int, float):
        _check_number(option, value)
    elif option.unit == "path" and not _PATH.fullmatch(value):
        raise ValueError(f"{option.name} {value!r} is no path such as /socket.io/")
    elif option.unit == "networks":
        try:
            parse_networks(value)
        except ValueError as error:
            raise ValueError(f"{option.name}: {error}") from None
    elif option.unit == "origins":
        _check_origins(option, value)
    elif option.unit in ("secret", "secrets"):
        _check_secrets(option, value)


def _check_number(option: Option, value: float) -> None:
    if not math.isfinite(value) or value < 0 or (value == 0 and option.field not in _MAY_BE_ZERO):
        least = "0 or more" if option.field in _MAY_BE_ZERO else "more than 0"
        raise ValueError(f"{option.name} is {value:g}, but must be {least}")
    if value < _LEAST.get(option.field, 0):
        raise ValueError(
            f"{option.name} is {value:g}, but must be {_LEAST[option.field]} {option.unit} or more"
        )
    if option.unit == "port" and value > 65535:
        raise ValueError(f"{option.name} is {value}, but a port is at most 65535")


def _check_origins(option: Option, values: tuple[str, ...]) -> None:
    if not values:
        raise ValueError(f"{option.name} is empty, so no page could connect; * lets all")
    for value in values:
        try:
            parse_origin(value)
        except ValueError as error:
            raise ValueError(
                f"{option.name} has {value!r} ({error}), but an origin is scheme://host or "
                "scheme://host:port with nothing behind it, or one of same-host, null and *"
            ) from None


def _check_secrets(option: Option, value: str | tuple[str, ...]) -> None:
    """Refuse short secrets: a client with one signature could find such a secret by trying."""
    for secret in (value,) if isinstance(value, str) and value else value:
        if len(secret) < _LEAST_SECRET_CHARS:
            raise ValueError(
                f"{option.name} has a secret of {len(secret)} characters, but needs "
                f"{_LEAST_SECRET_CHARS} or more, for example from: openssl rand -hex 24"
            )
