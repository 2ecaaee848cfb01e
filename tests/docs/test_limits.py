"""The page of limits: each limit that the code has, with its default, and codes that the code has."""

import re

from hornet.config import options
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| `([^`]*)`[^|]*\| ([^|]+) \| ([^|]+) \| ([^|]*)\|$", PAGE, re.MULTILINE)
CODE = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "hornet").rglob("*.py"))
TESTS = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)

ALSO = {"api_rate", "user_sessions", "auth_timeout", "handshake_timeout", "send_buffer", "command_timeout"}
"""Limits whose names do not begin with ``max``."""


def test_every_limit_is_on_the_page_with_its_default() -> None:
    limits = {one.name: one for one in options() if one.name.startswith("max_") or one.name in ALSO}
    listed = {name: default for name, default, *_ in ROWS}
    assert limits.keys() <= listed.keys()
    for name, one in limits.items():
        assert listed[name] == f"{one.default}".removesuffix(".0"), name


def test_every_limit_has_a_reason_and_says_what_happens() -> None:
    assert len(ROWS) > 20
    for name, _, why, beyond, _ in ROWS:
        assert len(why) > 10, name
        assert beyond.strip(), name


def test_every_code_is_one_that_the_code_has() -> None:
    codes = {code for *_, beyond, _ in ROWS for code in re.findall(r"`(\w+)`", beyond)}
    assert len(codes) > 15
    for code in codes:
        assert f'"{code}"' in CODE, code


def test_every_limit_is_tested_by_a_file_that_the_page_names() -> None:
    shown = "".join((ROOT / name).read_text(encoding="utf-8") for name in set(TESTS))
    known = {one.name: one.field for one in options()}
    for name, *_ in ROWS:
        flag = "--" + name.replace("_", "-")
        assert any(word in shown for word in (name, flag, known[name])), name
