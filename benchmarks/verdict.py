"""The verdict on a run that must not fail: what was counted, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Verdict:
    """``facts`` are lines of what was measured or counted; a run with any ``faults`` has failed."""

    facts: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.faults

    @property
    def text(self) -> str:
        lines = [*self.facts, *(f"FAULT  {fault}" for fault in self.faults)]
        return "\n".join([*lines, "passed" if self.passed else "FAILED"])
