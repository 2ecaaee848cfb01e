"""An index that finds the subscriptions of a publication at a cost that does not grow with their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hornet.core.patterns import Pattern

Keys = tuple[str, ...]


@dataclass(slots=True)
class _Mask:
    """The subscriptions of a shape that have their wildcards at the same places."""

    fixed: tuple[int, ...]
    texts: dict[tuple[str, ...], str] = field(default_factory=dict)


@dataclass(slots=True)
class _Shape:
    """The subscriptions with the same keys that treat further keys in the same way."""

    keys: Keys
    is_subset: bool
    masks: dict[tuple[int, ...], _Mask] = field(default_factory=dict)


class PatternIndex:
    """A set of patterns.

    Patterns with the same keys and with wildcards at the same places cost a publication a single look-up, by
    its values at the other places, however many they are. Applications have few such shapes, so a match costs
    few look-ups.
    """

    def __init__(self) -> None:
        self._shapes: dict[tuple[Keys, bool], _Shape] = {}

    def __len__(self) -> int:
        return sum(len(mask.texts) for shape in self._shapes.values() for mask in shape.masks.values())

    def add(self, pattern: Pattern) -> None:
        """Add a pattern. A pattern that is there already changes nothing."""
        name = (pattern.keys, pattern.is_subset)
        shape = self._shapes.setdefault(name, _Shape(*name))
        fixed, values = _fixed(pattern)
        shape.masks.setdefault(fixed, _Mask(fixed)).texts[values] = pattern.text

    def remove(self, pattern: Pattern) -> None:
        """Remove a pattern.

        Raises:
            KeyError: the pattern is not there.
        """
        name = (pattern.keys, pattern.is_subset)
        shape = self._shapes[name]
        fixed, values = _fixed(pattern)
        mask = shape.masks[fixed]
        del mask.texts[values]
        if not mask.texts:
            del shape.masks[fixed]
            if not shape.masks:
                del self._shapes[name]

    def match(self, topic: Mapping[str, str]) -> list[str]:
        """Return the texts of the patterns that match a parsed topic, each once."""
        matching: list[str] = []
        keys = tuple(topic)
        for shape in self._shapes.values():
            if shape.is_subset:
                if not all(key in topic for key in shape.keys):
                    continue
            elif shape.keys != keys:
                continue
            values = [topic[key] for key in shape.keys]
            for mask in shape.masks.values():
                text = mask.texts.get(tuple([values[place] for place in mask.fixed]))
                if text is not None:
                    matching.append(text)
        return matching


def _fixed(pattern: Pattern) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the places without a wildcard, and the values there."""
    placed = [(place, value) for place, (_, value) in enumerate(pattern.items) if value is not None]
    return tuple(place for place, _ in placed), tuple(value for _, value in placed)
