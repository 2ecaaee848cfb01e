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
SOURCES = sorted((ROOT / "hornet").rglob("*.py"))

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
    *(
        r"a bug of ours",
        r"none of ours",
        r"for good\b",
        r"whoever",
        r"\blineup\b",
        r"\bdoorway\b",
        r"\bcensus\b",
    ),
    *(r"\bhearing\b", r"\bburies\b", r"\bbury\b", r"nobody but", r"May be replaced at any time"),
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
    assert [f"line {line}: {found[0]}" for line, text in prose(path) if (found := words.search(text))] == []


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_no_variable_is_called_one(path: Path) -> None:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    assert [token.start[0] for token in tokens if token.type == tokenize.NAME and token.string == "one"] == []
