"""Authenticators of installed packages, by the names that the configuration gives."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points

from hornet.core.errors import SetupError
from hornet.flows.auth.authenticator import Authenticator

GROUP = "hornet.authenticators"


def load_authenticators(names: Iterable[str]) -> list[Authenticator]:
    """Return one authenticator for each name, made by the class or function of that entry point.

    Authenticators that are merely installed are not used: the operator chooses the credentials that count.

    Raises:
        SetupError: no authenticator of that name is installed, or it can't be made.
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
