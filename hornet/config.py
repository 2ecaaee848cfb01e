"""The configuration: defaults, overridden by a file, the environment and flags, in this order.

Each component declares its own section (a frozen dataclass whose fields carry their documentation). An
option has one name everywhere: ``auth_timeout`` in a TOML or JSON file, ``HORNET_AUTH_TIMEOUT`` in the
environment, ``--auth-timeout`` on the command line. An unknown name is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from hornet.broker.settings import HistorySettings, RedisSettings
from hornet.config_values import check, convert
from hornet.core.errors import SetupError
from hornet.core.options import ENVIRONMENT_PREFIX, Option
from hornet.core.options import option as declare_option
from hornet.engine.settings import EngineSettings
from hornet.flows.auth.settings import AuthenticationSettings, BackendSettings
from hornet.flows.recovery.settings import RecoverySettings
from hornet.flows.settings import (
    ChannelSettings,
    CommandSettings,
    LimitSettings,
    SessionSettings,
    UserSettings,
)
from hornet.web.api.settings import ApiSettings
from hornet.web.settings import ServerSettings

CONFIG_VARIABLE = "HORNET_CONFIG"
COMMAND_VARIABLES = ("HORNET_URL", "HORNET_KEY")
"""Variables of the command ``hornet``, which a server passes over."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    log_level: str = declare_option(
        "info",
        doc="Least important level that is logged: `debug`, `info`, `warning` or `error`.",
        unit="level",
        reloads=True,
    )
    log_format: str = declare_option(
        "text", doc="How a line of the log looks: `text` for people, `json` for machines.", unit="format"
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
    history: HistorySettings = field(default_factory=HistorySettings)
    sessions: SessionSettings = field(default_factory=SessionSettings)
    authentication: AuthenticationSettings = field(default_factory=AuthenticationSettings)
    backend: BackendSettings = field(default_factory=BackendSettings)
    users: UserSettings = field(default_factory=UserSettings)
    channels: ChannelSettings = field(default_factory=ChannelSettings)
    commands: CommandSettings = field(default_factory=CommandSettings)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    log: LogSettings = field(default_factory=LogSettings)

    def __post_init__(self) -> None:
        for option in options():
            check(option, getattr(getattr(self, option.section), option.field))
        if not self.engine.trusted_proxies:
            for name in ("user_header", "attribute_headers"):
                if getattr(self.authentication, name):
                    raise ValueError(f"{name} needs trusted_proxies: from anyone else headers are ignored")


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
    values = {name: convert(known[name], value, source) for name, (value, source) in given.items()}
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
