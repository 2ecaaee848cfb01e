"""Collects the commands: of installed packages, by entry points, and of the application itself."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hornet.core.channels import Names
from hornet.core.commands import MAX_NAME_CHARS, Command, is_command_name
from hornet.core.errors import SetupError
from hornet.flows.entry_points import find_installed

log = logging.getLogger(__name__)

GROUP = "hornet.commands"

Declared = Command[Any] | Callable[..., Any]
"""A command, or an ``async def`` function, which becomes a command that takes any data of any authenticated
session."""


def collect_commands(given: Mapping[str, Declared], wanted: Iterable[str]) -> dict[str, Command[Any]]:
    """Return the commands ``given``, and the installed ones that ``wanted`` names; ``*`` there is any text.

    Raises:
        SetupError: two commands have the same name, a command can't be loaded or is malformed, or no command
            has a wanted name.
    """
    commands = {name: _check(name, declared, "create_app's argument") for name, declared in given.items()}
    sources = dict.fromkeys(commands, "create_app's argument")
    for entry_point in _installed(tuple(wanted)):
        name, source = entry_point.name, _source(entry_point)
        if name in commands:
            raise SetupError(f"The command {name!r} comes from {sources[name]} and from {source}.")
        commands[name], sources[name] = _check(name, _load(entry_point), source), source
    for name, source in sources.items():
        log.info("Clients may call the command %r of %s", name, source)
    return commands


def _installed(wanted: tuple[str, ...]) -> list[EntryPoint]:
    for name in wanted:
        if "*" not in name:
            find_installed(GROUP, name, kind="command")
    names = Names(wanted)
    chosen = (entry_point for entry_point in entry_points(group=GROUP) if entry_point.name in names)
    return sorted(chosen, key=lambda entry_point: entry_point.name)


def _load(entry_point: EntryPoint) -> Any:
    try:
        return entry_point.load()
    except Exception as error:
        raise SetupError(
            f"The command {entry_point.name!r} of {_source(entry_point)} can't be loaded: {error}."
        ) from error


def _check(name: str, declared: Any, source: str) -> Command[Any]:
    if not is_command_name(name):
        raise SetupError(
            f"The command {name!r} of {source} has no valid name: 1 to {MAX_NAME_CHARS} visible characters."
        )
    if isinstance(declared, Command):
        return declared
    if inspect.iscoroutinefunction(declared):
        return Command(declared)
    raise SetupError(f"The command {name!r} of {source} is neither a Command nor an 'async def' function.")


def _source(entry_point: EntryPoint) -> str:
    return f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else "an unknown package"
