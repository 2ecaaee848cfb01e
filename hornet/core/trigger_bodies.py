"""The body of a pushy trigger: its data, and the JSON texts of these data that a backend may have signed.

Backends send JSON, or a form, and sign the JSON text of the data. pushy read a form with brackets as nested
data: ``a[b]=1`` is ``{"a": {"b": "1"}}``, and ``l[]=2`` or ``l[0]=2`` is ``{"l": ["2"]}``. All its values are
texts. Its signature is over the compact JSON of that, which JavaScript and PHP write in two ways: PHP's
``json_encode`` escapes slashes and all characters beyond ASCII, and writes an empty array as ``[]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from hornet.core.errors import PeerError
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.triggers import MISSING, RefusedTrigger

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

MAX_FIELDS = 1000
"""Of a form: the limit of PHP itself (``max_input_vars``)."""

MAX_LEVELS = 32
"""Of brackets in the name of a field."""

MAX_PART_HEAD_BYTES = 1024
"""Of the lines ahead of the value of a multipart field, which a browser writes with 100."""

_NAME = re.compile(rb'\ncontent-disposition:[^\r\n]*;[ \t]*name="([^"\r\n]*)"', re.IGNORECASE)
_FILE = re.compile(rb"\ncontent-disposition:[^\r\n]*;[ \t]*filename\*?=", re.IGNORECASE)
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]+)"|([^\s";]+))', re.IGNORECASE)
_PHP_ESCAPED = re.compile(r"[/\x80-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class TriggerBody:
    """Data, and a JSON text of them."""

    text: str
    data: Any


def parse_trigger_body(content: bytes, content_type: str) -> list[TriggerBody]:
    """Return all that the body may mean; the signature decides. ``content_type`` is the header's text.

    Raises:
        RefusedTrigger: ``MISSING``; the detail says what is wrong.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if not content:  # an empty body is an empty object, as in the framework under pushy
        return [TriggerBody("{}", {}), TriggerBody("[]", {}), TriggerBody("", {})]
    if media_type == MULTIPART:
        return _readings(_nest(_multipart_fields(content, content_type)))
    if media_type == FORM and content[:1] not in (b"{", b"["):  # curl calls any body a form
        return _readings(_nest(_urlencoded_fields(content)))
    try:
        text = content.decode()
        data = parse_json(text)
        dump_json(data).encode()
        return [TriggerBody(text, data), *_readings(data)]
    except ValueError as error:
        raise RefusedTrigger(MISSING, f"The body is not JSON: {error}") from None


def php_json(value: object) -> str:
    """Return the text that PHP's ``json_encode`` writes for data that :func:`parse_trigger_body` returns.

    Raises:
        ValueError: JSON has no text for a number in it.
    """
    return _PHP_ESCAPED.sub(_escape, dump_json(value))


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char == "/":
        return "\\/"
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _readings(data: Any) -> list[TriggerBody]:
    readings = [TriggerBody(dump_json(data), data), TriggerBody(php_json(data), data)]
    if isinstance(data, dict) and _is_list(data):  # PHP sends a list as the fields 0, 1, ...
        items = list(data.values()) or data
        readings.append(TriggerBody(php_json(list(data.values())), items))
    return readings


# Forms -------------------------------------------------------------------------------------------


def _urlencoded_fields(content: bytes) -> list[tuple[str, str]]:
    if content.count(b"&") >= MAX_FIELDS:
        raise _too_many()
    pairs = (part.partition(b"=") for part in content.split(b"&") if part)
    return [(_unquote(name), _unquote(value)) for name, _, value in pairs]


def _unquote(text: bytes) -> str:
    return _text(unquote_to_bytes(text.replace(b"+", b" ")))


def _multipart_fields(content: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the fields of a multipart form without its files.

    Source: RFC 7578 (https://www.rfc-editor.org/rfc/rfc7578#section-4).
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise _malformed("The form has no boundary")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("utf-8", "replace")
    body = b"\r\n" + content
    if body.count(delimiter) > MAX_FIELDS + 1:
        raise _too_many()
    fields: list[tuple[str, str]] = []
    for part in body.split(delimiter)[1:]:
        if part.startswith(b"--"):
            return fields
        head, blank, value = part.partition(b"\r\n\r\n")
        if len(head) > MAX_PART_HEAD_BYTES:  # no signature was checked yet
            raise _malformed(f"A part of the form has a head of more than {MAX_PART_HEAD_BYTES} bytes")
        name = _NAME.search(head)
        if not blank or name is None:
            raise _malformed("A part of the form has no name")
        if not _FILE.search(head):
            fields.append((_text(name[1]), _text(value)))
    raise _malformed("The form is cut")


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _malformed("The form is not UTF-8") from None


def _nest(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the data of a form. A field that comes twice is a list; so are fields named 0, 1, ... in one."""
    root: dict[str, Any] = {}
    for name, value in fields:
        *path, last = _path(name)
        node = root
        for key in path:
            inner = node.setdefault(str(len(node)) if key is None else key, {})
            if not isinstance(inner, dict):
                raise _malformed("The form gives one name to a value and to a structure")
            node = inner
        present = node.get(key := str(len(node)) if last is None else last)
        if isinstance(present, dict):
            raise _malformed("The form gives one name to a value and to a structure")
        if isinstance(present, list):
            present.append(value)
        else:
            node[key] = value if present is None else [present, value]
    return {key: _with_lists(value) for key, value in root.items()}


def _path(name: str) -> list[str | None]:
    """Return the keys in the name of a field; None stands for the next free number."""
    if "]" not in name:
        return [name]
    first, *keys = (part.removesuffix("]") for part in name.split("["))
    if len(keys) > MAX_LEVELS:
        raise _malformed(f"A field of the form is nested deeper than {MAX_LEVELS} levels")
    return [first, *(key or None for key in keys)]


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _with_lists(item) for key, item in value.items()}
    return [inner[str(at)] for at in range(len(inner))] if _is_list(inner) else inner


def _is_list(node: dict[str, Any]) -> bool:
    return all(str(at) in node for at in range(len(node)))


def _too_many() -> PeerError:
    return _malformed(f"The form has more than {MAX_FIELDS} fields")


def _malformed(detail: str) -> PeerError:
    return RefusedTrigger(MISSING, detail)
