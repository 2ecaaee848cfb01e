"""The table of codes is the only place where a code is written."""

import ast
from pathlib import Path

import pytest

from hornet.core import codes

ROOT = Path(__file__).parents[2] / "hornet"
FILES = sorted(ROOT.rglob("*.py"))

REFUSED_WITH_A_CODE = {
    "CommandError",
    "InvalidPublish",
    "Malformed",
    "OverLimit",
    "PeerError",
    "Problem",
    "RefusedCredentials",
    "RefusedEvent",
}
"""Errors whose first argument is a code. A ``RefusedTrigger`` has the numbers of pushy instead."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_code_is_written_in_its_table_only(path: Path) -> None:
    """Faults are ordinary words in lower case, so those are looked for only where a code is expected."""
    if path == ROOT / "core" / "codes.py":
        return
    registered = {name for table in codes.AUDIENCES for name in table if name.isupper()}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant):
            assert node.value not in registered, f"line {node.lineno}: write codes.{node.value}"
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            is_literal = isinstance(node.args[0], ast.Constant)
            assert not (called in REFUSED_WITH_A_CODE and is_literal), (
                f"line {node.lineno}: add the code of this {called} to hornet/core/codes.py"
            )
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            counted = node.value.attr in ("malformed", "refused", "refusals")
            assert not (counted and isinstance(node.slice, ast.Constant)), f"line {node.lineno}: count a code"


def test_a_code_has_one_spelling_and_one_constant() -> None:
    constants = {
        name: value
        for name, value in vars(codes).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str)
    }
    listed = {name for table in codes.AUDIENCES for name in table}
    assert sorted(constants.values()) == sorted(listed)
    for table in codes.AUDIENCES:
        assert all(name == code.name and code.meaning for name, code in table.items())
