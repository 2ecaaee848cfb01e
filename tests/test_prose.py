"""How the code reads, as far as a machine can tell: docstrings name an effect, in words of the field."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    [
        *(ROOT / "hornet").rglob("*.py"),
        *(ROOT / "benchmarks").rglob("*.py"),
        ROOT / "docs" / "generate.py",
        ROOT / "setup.py",
    ]
)

NO_EFFECTS = {
    *(
        "A",
        "All",
        "An",
        "Any",
        "Anything",
        "Each",
        "Every",
        "How",
        "It",
        "Its",
        "None",
        "Nothing",
        "One",
        "Raises",
    ),
    *(
        "That",
        "The",
        "There",
        "This",
        "True",
        "False",
        "What",
        "Whatever",
        "Where",
        "Whether",
        "Which",
        "Who",
        "Whoever",
    ),
    *("Whom", "Whose", "Why"),
}
"""First words of a function's docstring that hide what it does."""

FORBIDDEN = (
    *(r"\bours\b", r"for good\b", r"whoever", r"whatever", r"nobody but"),
    *(r"\blineup\b", r"\bdoorway\b", r"\bcensus\b", r"\bhearing\b", r"\bburies\b", r"\bbury\b"),
    r"May be replaced at any time",
)
"""A private language, which a reader would have to learn first."""


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_the_docstring_of_a_function_begins_with_what_it_does(path: Path) -> None:
    hidden = []
    for function in functions(ast.parse(path.read_text())):
        docstring = ast.get_docstring(function)
        if docstring is None or is_property(function):
            continue
        first = re.split(r"[\s:,;]", docstring, maxsplit=1)[0]
        if first in NO_EFFECTS:
            hidden.append(f"line {function.lineno}: {docstring.splitlines()[0]}")
    assert hidden == []


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The comments and docstrings of a module, with the line on which each begins."""
    source = path.read_text()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (
            token.type == tokenize.STRING and token.string.startswith('"""')
        ):
            yield token.start[0], token.string


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_prose_keeps_to_the_words_of_the_field(path: Path) -> None:
    words = re.compile("|".join(FORBIDDEN), re.IGNORECASE)
    assert [f"line {line}: {word[0]}" for line, text in prose(path) if (word := words.search(text))] == []


PROTOCOLS = {
    "Engine.IO protocol": "https://github.com/socketio/engine.io-protocol",
    "Socket.IO protocol": "https://github.com/socketio/socket.io-protocol",
}

WITHOUT_LINKS = {ROOT / "hornet" / "web" / "api" / "document.py"}
"""The document's text is served, and has no links."""


@pytest.mark.parametrize("path", sorted({*SOURCES} - WITHOUT_LINKS), ids=ids)
def test_a_module_links_each_protocol_text_that_it_names(path: Path) -> None:
    source = path.read_text()
    unlinked = [
        f"RFC {number}"
        for number in sorted(set(re.findall(r"\bRFC (\d+)", source)))
        if f"https://www.rfc-editor.org/rfc/rfc{number}" not in source
    ]
    words = " ".join(source.split())
    unlinked += [name for name, link in PROTOCOLS.items() if name in words and link not in source]
    assert unlinked == []


VAGUE = {"asked", "found", "heard", "one", "said", "shown", "told"}
"""Names that say how a value was come by, where a name should say what it is."""


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each variable, parameter and attribute that a module sets, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr.lstrip("_")
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_a_name_says_what_it_holds(path: Path) -> None:
    vague = [f"line {line}: {name}" for line, name in names(ast.parse(path.read_text())) if name in VAGUE]
    assert vague == []
