"""Write what the code itself declares into docs/reference.

The pages configuration.md and api.md are made whole. In other pages the tables of codes are made, each
between ``<!-- codes: NAME -->`` and ``<!-- /codes -->``.

Run ``python docs/generate.py`` after changing an option, an operation of the HTTP API or a code; a test fails
while a page is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hornet.config_doc import render
from hornet.core import codes
from hornet.web.api import describe

REFERENCE = Path(__file__).parent / "reference"

API_HEAD = """<!-- Made by docs/generate.py from the operations in the code. Change them there. -->

# HTTP API

This page lists every operation, with its request and its answer. [Use the HTTP API](../howto/http-api.md) has
the rules for all operations, and an example of each. The server offers the same as an OpenAPI 3.1 document at
`/api/openapi.json`.

Fields in bold are required.
"""


def render_api() -> str:
    """Render the whole page of the HTTP API."""
    document = describe()
    schemas = document["components"]["schemas"]
    parts = [API_HEAD]
    for path, methods in document["paths"].items():
        parts.extend(_operation(method, path, operation, schemas) for method, operation in methods.items())
    parts.append(f"## Problems\n\n{_code_table('problems')}")
    return "\n".join(parts)


def render_codes(page: str) -> str:
    """Return a page with its tables of codes as the code has them."""
    return re.sub(
        r"<!-- codes: (\w+) -->\n.*?<!-- /codes -->",
        lambda match: f"<!-- codes: {match[1]} -->\n{_code_table(match[1])}<!-- /codes -->",
        page,
        flags=re.DOTALL,
    )


def _code_table(name: str) -> str:
    head, rows = _CODE_TABLES[name]
    return "\n".join([_cells(head), "|" + "---|" * len(head), *map(_cells, rows)]) + "\n"


def _state_after(code: codes.Code) -> str:
    return "is closed" if code.closes else "stays open"


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_CODE_TABLES: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
    "messages": (
        ("`error`", "what happened", "the socket", "try again"),
        [
            (f"`{code.name}`", code.meaning, _state_after(code), code.again)
            for code in codes.MESSAGES.values()
        ],
    ),
    "acknowledgements": (
        ("`code`", "what happened", "try again"),
        [(f"`{code.name}`", code.meaning, code.again) for code in codes.ACKNOWLEDGEMENTS.values()],
    ),
    "connections": (
        ("status", "`reason`", "what happened", "the connection", "try again"),
        [
            (f"{code.status}", f"`{code.name}`", code.meaning, _state_after(code), code.again)
            for code in codes.CONNECTIONS.values()
        ],
    ),
    "problems": (
        ("code", "status", "meaning", "try again"),
        [(f"`{code.name}`", f"{code.status}", code.meaning, code.again) for code in codes.PROBLEMS.values()],
    ),
    "compatible": (
        ("code", "status", "what was refused"),
        [(f"`{code.name}`", f"{code.status}", code.meaning) for code in codes.COMPATIBLE.values()],
    ),
    "drops": (
        ("reason", "what is wrong"),
        [(f"`{code.name}`", code.meaning) for code in codes.DROPS.values()],
    ),
    "faults": (
        ("`fault`", "input"),
        [(f"`{code.name}`", code.meaning) for code in codes.FAULTS.values()],
    ),
}

CODE_PAGES = ("socketio.md", "redis.md", "metrics.md")


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts = [f"## {operation['summary']}\n", f"`{method.upper()} {path}`\n", operation["description"] + "\n"]
    if operation["parameters"]:
        rows = [
            _row(
                parameter["name"],
                parameter["schema"],
                parameter.get("required", False),
                parameter["description"],
            )
            for parameter in operation["parameters"]
        ]
        parts.append(_table("parameter", rows))
    if "requestBody" in operation:
        parts.append(
            _fields("The body:", operation["requestBody"]["content"]["application/json"]["schema"], schemas)
        )
    status, answer = next(iter(operation["responses"].items()))
    parts.append(_fields(f"Answers {status}:", answer["content"]["application/json"]["schema"], schemas))
    return "\n".join(parts)


def _fields(lead: str, schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Render the fields of an object, and below them those of the objects in it."""
    described = schemas[_name(schema)]
    rows, inner = [], []
    for name, field in described["properties"].items():
        rows.append(_row(name, field, name in described["required"], field.get("description", "")))
        nested = field.get("items", field)
        if "$ref" in nested:
            inner.append((name, nested))
    parts = [f"{lead} {described.get('description', '')}".rstrip() + "\n", _table("field", rows)]
    parts.extend(_fields(f"In `{name}`:", nested, schemas) for name, nested in inner)
    return "\n".join(parts)


def _table(first: str, rows: list[str]) -> str:
    return "\n".join([f"| {first} | type | meaning |", "|---|---|---|", *rows]) + "\n"


def _row(name: str, schema: dict[str, Any], required: bool, description: str) -> str:
    label = f"**`{name}`**" if required else f"`{name}`"
    default = schema.get("default")
    tail = "" if default in (None, False, "", [], {}) else f"Default: `{default}`."
    meaning = " ".join(part for part in (description, tail) if part)
    return f"| {label} | {_type(schema)} | {meaning} |"


def _type(schema: dict[str, Any]) -> str:
    """Describe the type in a few words, with its limits."""
    if "$ref" in schema:
        return "object"
    if "anyOf" in schema:
        kinds = [_type(option) for option in schema["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        most = f"up to {schema['maxItems']} " if "maxItems" in schema else ""
        return f"list of {most}{_type(schema['items'])}"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    kind = words.get(schema.get("type", ""), schema.get("type", "any JSON"))
    if "maxLength" in schema:
        return f"{kind} (up to {schema['maxLength']} characters)"
    if "maximum" in schema:
        return f"{kind} ({schema['minimum']} to {schema['maximum']})"
    return str(kind)


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"].rpartition("/")[2])


if __name__ == "__main__":
    (REFERENCE / "configuration.md").write_text(render(), encoding="utf-8")
    (REFERENCE / "api.md").write_text(render_api(), encoding="utf-8")
    for name in CODE_PAGES:
        page = REFERENCE / name
        page.write_text(render_codes(page.read_text(encoding="utf-8")), encoding="utf-8")
