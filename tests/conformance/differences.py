"""Marks for what the Node reference server does otherwise than this suite asks."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")


def node_differs(reason: str) -> pytest.MarkDecorator:
    """Expect a test to fail on the reference server, and to pass on every other."""
    return pytest.mark.node_differs(reason)


def node_dies(reason: str) -> pytest.MarkDecorator:
    """Leave a test out on the reference server, whose process would end."""
    return pytest.mark.node_dies(reason)


def where_node_differs(values: Iterable[T], reason: str, differs: Callable[[T], bool]) -> list[ParameterSet]:
    """Mark the values of a parameter with which the reference server differs."""
    return [pytest.param(value, marks=[node_differs(reason)] if differs(value) else []) for value in values]


def msgpack_only(values: Iterable[T]) -> list[ParameterSet]:
    """Mark values of a parameter that need a server which knows the msgpack parser."""
    return [pytest.param(value, marks=pytest.mark.msgpack) for value in values]
