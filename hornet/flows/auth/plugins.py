"""Authenticators of installed packages, by the names that the configuration gives."""

from __future__ import annotations

from collections.abc import Iterable

from hornet.core.errors import SetupError
from hornet.flows.auth.authenticator import Authenticator
from hornet.flows.entry_points import find_installed

GROUP = "hornet.authenticators"


def load_authenticators(names: Iterable[str]) -> list[Authenticator]:
    """Return one authenticator for each name, made by the class or function of that entry point.

    Authenticators that are merely installed are not used: the operator chooses the credentials that count.

    Raises:
        SetupError: no authenticator of that name is installed, or it can't be made.
    """
    return [_load(name) for name in names]


def _load(name: str) -> Authenticator:
    entry_point = find_installed(GROUP, name, kind="authenticator")
    try:
        authenticator: Authenticator = entry_point.load()()
    except Exception as error:
        raise SetupError(f"The authenticator {name!r} can't be made: {error}.") from error
    return authenticator
