"""The set-up functions of plug-ins: of installed packages, by entry points, and of the application itself."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from hornet.core.errors import SetupError
from hornet.flows.entry_points import find_installed
from hornet.flows.plugins.interface import NodeInterface

log = logging.getLogger(__name__)

GROUP = "hornet.plugins"

SetUp = Callable[[NodeInterface], Awaitable[object] | object]
"""A function, ``async def`` or not, that connects a plug-in to its node."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plug-in, and its name for the log."""

    name: str
    set_up: SetUp


def collect_plugins(own: Iterable[SetUp], names: Iterable[str]) -> list[Plugin]:
    """Return the application's own plug-ins, and the installed ones with these names.

    Plug-ins that are merely installed are not used: the operator chooses the code that runs in the node.

    Raises:
        SetupError: no plug-in of that name is installed, or it can't be loaded.
    """
    plugins = [Plugin(getattr(set_up, "__qualname__", repr(set_up)), set_up) for set_up in own]
    return plugins + [_load(name) for name in names]


async def set_up(plugins: Iterable[Plugin], node: NodeInterface) -> None:
    """Call the set-up functions, one after the other.

    Raises:
        SetupError: one of them failed.
    """
    for plugin in plugins:
        try:
            result = plugin.set_up(node)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            raise SetupError(f"The plug-in {plugin.name!r} can't be set up: {error!r}.") from error
        log.info("The plug-in %r is set up", plugin.name)


def _load(name: str) -> Plugin:
    entry_point = find_installed(GROUP, name, kind="plug-in")
    try:
        set_up_function = entry_point.load()
    except Exception as error:
        raise SetupError(f"The plug-in {name!r} can't be loaded: {error}.") from error
    if not callable(set_up_function):
        raise SetupError(f"The plug-in {name!r} is no function of a node.")
    return Plugin(name, set_up_function)
