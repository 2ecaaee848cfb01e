"""Writes the pages of docs/reference that the code itself declares: configuration.md and api.md.

Run ``python docs/generate.py`` after changing an option or an operation of the HTTP API; a test fails while
a page is stale.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from hornet.config import Option, options
from hornet.web.api.problems import PROBLEMS
from hornet.web.api.routes import describe

REFERENCE = Path(__file__).parent / "reference"

TITLES = {
    "server": "Server",
    "redis": "Redis",
    "sessions": "Sessions",
    "channels": "Channels",
    "engine": "Socket.IO",
    "api": "HTTP API",
    "log": "Log",
}

HEAD = """<!-- Made by docs/generate.py from the options in the code. Change them there. -->

# Configuration

Each option has one name in three places. What is further right wins:

    default  <  file (--config)  <  environment  <  command line

| place | how `auth_timeout` looks there |
|---|---|
| TOML file | `auth_timeout = 20` |
| JSON file | `"auth_timeout": 20` |
| environment | `HORNET_AUTH_TIMEOUT=20` |
| command line | `--auth-timeout 20` |

The file is named by `--config` or by `HORNET_CONFIG`. It is JSON if its name ends in `.json`, else TOML.
Options stand at its top level:

```toml
port = 8187
redis = "redis://127.0.0.1:6379"
demo = false
allowed_origins = ["https://www.example.com"]
```

A name that Hornet does not know is an error, in the file, on the command line, and in the environment for
whatever starts with `HORNET_`.

Lists are joined by commas in the environment and on the command line. Switches are `true` or `false` in
files, a pair of flags on the command line, and in the environment one of `1`, `true`, `yes`, `on` or `0`,
`false`, `no`, `off`.
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD]
    for section, members in groupby(options(), key=lambda one: one.section):
        parts.append(f"## {TITLES[section]}\n")
        parts.extend(_entry(one) for one in members)
    return "\n".join(parts)


def _entry(one: Option) -> str:
    flag = f"{one.flag}`, `--no-{one.flag.removeprefix('--')}" if one.kind is bool else one.flag
    kind = f" · {_unit(one)}" if one.unit else ""
    return f"### `{one.name}`\n\n{one.doc}\n\n`{flag}` · `{one.variable}`{kind} · default: {_default(one)}\n"


def _unit(one: Option) -> str:
    return {"s": "seconds"}.get(one.unit, one.unit)


API_HEAD = """<!-- Made by docs/generate.py from the operations in the code. Change them there. -->

# HTTP API

Every operation, with what it takes and answers. [How to use it](../howto/http-api.md) has the rules that hold
for all, and an example of each. The server has the same as an OpenAPI 3.1 document at `/api/openapi.json`.

Fields in bold are required.
"""


def render_api() -> str:
    """The whole page of the HTTP API."""
    document = describe()
    schemas = document["components"]["schemas"]
    parts = [API_HEAD]
    for path, methods in document["paths"].items():
        parts.extend(_operation(method, path, one, schemas) for method, one in methods.items())
    parts.append("## Problems\n\n| code | status | meaning |\n|---|---|---|")
    parts.extend(f"| `{code}` | {status} | {title} |" for code, (status, title) in PROBLEMS.items())
    return "\n".join(parts) + "\n"


def _operation(method: str, path: str, one: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts = [f"## {one['summary']}\n", f"`{method.upper()} {path}`\n", one["description"] + "\n"]
    if one["parameters"]:
        rows = [
            _row(found["name"], found["schema"], found.get("required", False), found["description"])
            for found in one["parameters"]
        ]
        parts.append(_table("parameter", rows))
    if "requestBody" in one:
        parts.append(
            _fields("The body:", one["requestBody"]["content"]["application/json"]["schema"], schemas)
        )
    status, answer = next(iter(one["responses"].items()))
    parts.append(_fields(f"Answers {status}:", answer["content"]["application/json"]["schema"], schemas))
    return "\n".join(parts)


def _fields(lead: str, schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """The fields of an object, and below them those of the objects in it."""
    found = schemas[_name(schema)]
    rows, inner = [], []
    for name, field in found["properties"].items():
        rows.append(_row(name, field, name in found["required"], field.get("description", "")))
        listed = field.get("items", field)
        if "$ref" in listed:
            inner.append((name, listed))
    parts = [f"{lead} {found.get('description', '')}".rstrip() + "\n", _table("field", rows)]
    parts.extend(_fields(f"In `{name}`:", listed, schemas) for name, listed in inner)
    return "\n".join(parts)


def _table(first: str, rows: list[str]) -> str:
    return "\n".join([f"| {first} | type | meaning |", "|---|---|---|", *rows]) + "\n"


def _row(name: str, schema: dict[str, Any], required: bool, description: str) -> str:
    shown = f"**`{name}`**" if required else f"`{name}`"
    default = schema.get("default")
    tail = "" if default in (None, False, "", [], {}) else f"Default: `{default}`."
    told = " ".join(part for part in (description, tail) if part)
    return f"| {shown} | {_type(schema)} | {told} |"


def _type(schema: dict[str, Any]) -> str:
    """The type in a few words, with its limits."""
    if "$ref" in schema:
        return "object"
    if "anyOf" in schema:
        kinds = [_type(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        most = f"up to {schema['maxItems']} " if "maxItems" in schema else ""
        return f"list of {most}{_type(schema['items'])}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    kind = words.get(schema.get("type", ""), schema.get("type", "any JSON"))
    if "maxLength" in schema:
        return f"{kind} (up to {schema['maxLength']} characters)"
    if "maximum" in schema:
        return f"{kind} ({schema['minimum']} to {schema['maximum']})"
    return str(kind)


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _default(one: Option) -> str:
    if one.kind is bool:
        return "on" if one.default else "off"
    text = ",".join(one.default) if one.is_list else f"{one.default}".removesuffix(".0")
    return f"`{text}`" if text else "none"


if __name__ == "__main__":
    (REFERENCE / "configuration.md").write_text(render(), encoding="utf-8")
    (REFERENCE / "api.md").write_text(render_api(), encoding="utf-8")
