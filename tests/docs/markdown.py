"""The documentation as data: its pages, their code blocks, links and headings."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
CODE_SPAN = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<(https?://[^>\s]+)>")


@dataclass(frozen=True)
class Block:
    """One fenced code block; ``line`` is where its fence stands in the page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page of documentation that the project has."""
    found = [*ROOT.glob("*.md"), ROOT / "client-js" / "README.md"]
    for folder in ("docs", "examples"):
        found.extend((ROOT / folder).rglob("*.md"))
    return sorted(page for page in found if page.is_file())


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The code blocks of a page, those of one language if it is named."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCED.finditer(text):
        if language in (None, match[2]):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page, line, match[2], textwrap.dedent(match[3])))
    return found


def all_blocks(language: str | None = None) -> list[Block]:
    return [block for page in pages() for block in blocks(page, language)]


def prose(page: Path) -> str:
    """The page without its code."""
    return CODE_SPAN.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> Iterator[str]:
    """Where the links of a page lead, as they are written."""
    for match in LINK.finditer(prose(page)):
        yield match[1] or match[2]


def anchors(page: Path) -> set[str]:
    """The names by which other pages can link to the page's headings."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def code_spans(page: Path) -> list[str]:
    """What the page sets in code type in its prose."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return [span.strip("`") for span in CODE_SPAN.findall(text)]
