"""Authenticators of installed packages, by the names that the configuration gives."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points

from hornet.core.errors import SetupError
from hornet.flows.auth.authenticator import Authenticator

GROUP = "hornet.authenticators"


def load_authenticators(names: Iterable[str]) -> list[Authenticator]:
    """One authenticator for each name; an entry point is a class or function that is called for it.

    What is merely installed is not asked: who may get in is the operator's decision.

    Raises:
        SetupError: there is none of that name, or it can't be made.
    """
    return [_load(name) for name in names]


def _load(name: str) -> Authenticator:
    installed = entry_points(group=GROUP)
    if name not in installed.names:
        known = ", ".join(sorted(installed.names)) or "none"
        raise SetupError(f"No authenticator {name!r} is installed (there is: {known}).")
    try:
        authenticator: Authenticator = installed[name].load()()
    except Exception as error:
        raise SetupError(f"The authenticator {name!r} can't be made: {error}.") from error
    return authenticator
