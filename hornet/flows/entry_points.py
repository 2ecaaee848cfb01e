"""What installed packages offer a node, by entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from hornet.core.errors import SetupError


def find_installed(group: str, name: str, *, kind: str) -> EntryPoint:
    """Return the entry point of that name; ``kind`` says in the error what it would be.

    Raises:
        SetupError: no installed package has it.
    """
    installed = entry_points(group=group)
    if name not in installed.names:
        known = ", ".join(sorted(installed.names)) or "none"
        raise SetupError(f"No {kind} {name!r} is installed (there is: {known}).")
    return installed[name]
