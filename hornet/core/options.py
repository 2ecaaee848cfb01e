"""How a component declares its options: as dataclass fields that carry their own documentation.

A section is a frozen dataclass whose fields are made with :func:`option`. The command line, the
environment, the configuration file and the reference page are all generated from these fields.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

ENVIRONMENT_PREFIX = "HORNET_"
MIN_SECRET_CHARS = 16
"""Of base 62: 95 bits. An attacker with a million guesses a second finds one in a million million years."""

UNIT_SUFFIXES = ("_s", "_bytes")


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its place in the configuration, and the facts that its section declares."""

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


def option(default: Any, *, doc: str, unit: str = "", secret: bool = False, reloads: bool = False) -> Any:
    """Declare a field with a default, a one-sentence ``doc`` and the ``unit`` of its value ("s", "bytes").

    A ``secret`` value prints as ``***`` wherever the configuration is shown. An option that ``reloads`` takes
    effect on SIGHUP, for everything that happens afterwards.
    """
    facts = {"doc": doc, "unit": unit, "secret": secret, "reloads": reloads}
    return dataclasses.field(default=default, metadata=facts)


def show_section(section: Any) -> str:
    """Return the ``repr`` of a section that has secrets; each secret is shown as ``***``."""
    values = (
        f"{field.name}={'***' if field.metadata['secret'] else repr(getattr(section, field.name))}"
        for field in dataclasses.fields(section)
    )
    return f"{type(section).__name__}({', '.join(values)})"
