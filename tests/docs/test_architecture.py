"""The walks through the code on the architecture page: short, and through files that exist."""

import re

import pytest

from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "topics" / "architecture.md").read_text(encoding="utf-8")
WALKS = re.findall(r"^### (.+)\n\n((?:\d+\. .+\n)+)", PAGE, re.MULTILINE)
MOST_FILES = {
    "From publish to socket": 11,
    "From token to grant": 18,
    "From presence data to member": 14,
    "From HTTP request to publish": 10,
}


def test_the_page_has_four_walks() -> None:
    assert [title for title, _ in WALKS] == list(MOST_FILES)


@pytest.mark.parametrize(("title", "steps"), WALKS, ids=[title for title, _ in WALKS])
def test_a_walk_is_short_and_names_files_that_exist(title: str, steps: str) -> None:
    lines = steps.splitlines()
    assert len(lines) <= MOST_FILES[title]
    files = []
    for number, line in enumerate(lines, 1):
        step = re.fullmatch(rf"{number}\. `(hornet/[\w/]+\.py)` — .+\.", line)
        assert step, line
        assert (ROOT / step[1]).is_file(), step[1]
        files.append(step[1])
    assert len(set(files)) == len(files)
