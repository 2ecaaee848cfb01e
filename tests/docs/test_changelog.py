"""The changelog can be read: git joins the lines of several branches, and so may keep a change twice."""

from collections import Counter

from tests.docs.markdown import ROOT

SHORT_CHARS = 40
"""A line of this length may stand twice by chance."""


def test_the_changelog_has_no_line_twice() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    assert [line for line, times in Counter(lines).items() if times > 1 and len(line) > SHORT_CHARS] == []
