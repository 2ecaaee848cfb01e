"""How a component declares an option: a dataclass field that carries its own documentation.

A section is a frozen dataclass whose fields are made with :func:`option`. The command line, the
environment, the configuration file and the reference page are all generated from these fields.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def option(default: Any, *, doc: str, unit: str = "", secret: bool = False, reloads: bool = False) -> Any:
    """A field with a default, a one-sentence ``doc`` and the ``unit`` of its value ("s", "bytes", ...).

    A ``secret`` value prints as ``***`` wherever the configuration is shown. One that ``reloads`` takes
    effect on SIGHUP, for what happens from then on.
    """
    facts = {"doc": doc, "unit": unit, "secret": secret, "reloads": reloads}
    return dataclasses.field(default=default, metadata=facts)


def show_section(section: Any) -> str:
    """The ``repr`` of a section with secrets; each of them is shown as ``***``."""
    shown = (
        f"{one.name}={'***' if one.metadata['secret'] else repr(getattr(section, one.name))}"
        for one in dataclasses.fields(section)
    )
    return f"{type(section).__name__}({', '.join(shown)})"
