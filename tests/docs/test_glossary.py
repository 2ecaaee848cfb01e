"""The glossary: short, in order, and about words that the documentation uses."""

import re

from tests.docs.markdown import ROOT, pages, prose

GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
ENTRIES = re.findall(
    r"^- \*\*(.+?)\*\*: (.+?)(?=^- |\Z)", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def test_the_glossary_has_at_most_25_entries_in_the_order_of_the_alphabet() -> None:
    words = [word for word, _ in ENTRIES]
    assert 10 < len(words) <= 25
    assert words == sorted(words)


def test_each_entry_is_one_or_two_sentences_with_a_link_to_its_page() -> None:
    for word, text in ENTRIES:
        meaning, see, link = text.partition("See\n" if "See\n" in text else "See ")
        assert see, word
        assert re.search(r"\]\([\w./#-]+\.md(#[\w-]+)?\)", link), word
        assert 1 <= len(re.findall(r"\.\s", meaning)) <= 2, word


def test_each_entry_is_used_on_another_page() -> None:
    text = " ".join(prose(page) for page in pages() if page != GLOSSARY).lower()
    text = " ".join(text.split())
    for word, _ in ENTRIES:
        assert re.search(rf"\b{word}s?\b", text), word
