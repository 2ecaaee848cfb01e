"""The OpenAPI document (version 3.1), made from the operations that run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hornet.core import codes
from hornet.core.codes import PROBLEMS
from hornet.web.api.operation import Operation
from hornet.web.api.problems import CONTENT_TYPE, type_of

DESCRIPTION = """What a backend can do with Hornet over HTTP. Requests and answers are JSON.

A request that is not carried out is answered by problem details (RFC 9457) with a stable `code`.
Unknown fields and parameters of a request are errors. Answers may get further fields in later versions."""

COMMON = (
    codes.INVALID_REQUEST,
    codes.KEY_MISSING,
    codes.KEY_UNKNOWN,
    codes.RIGHT_MISSING,
    codes.NOT_LOCAL,
    codes.CROSS_SITE,
    codes.UNSUPPORTED_VERSION,
    codes.TOO_MANY_REQUESTS,
    codes.FAILED,
    codes.UNAVAILABLE,
)
WITH_BODY = (codes.NOT_JSON, codes.BODY_TIMEOUT, codes.TOO_LARGE, codes.NOT_JSON_TYPE)
"""Problems that every operation, and every operation with a body, may end in."""

SCHEMA_NAMES = {"MessageRequest": "Message", "MemberEntry": "Member"}
"""Class -> its name in the document, where that is another. Names in the document are part of the API."""

_TEMPLATE = "#/components/schemas/{name}"
_REFERENCES = {
    _TEMPLATE.format(name=name): _TEMPLATE.format(name=published) for name, published in SCHEMA_NAMES.items()
}
_IN_PATH = re.compile(r"\{(\w+)\}")


def openapi(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Return the document as JSON data."""
    operations = list(operations)
    kinds = [
        kind
        for operation in operations
        for kind in (operation.answer, *([operation.body] if operation.takes_body else []))
    ]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hornet", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": {**_published(schemas), "Problem": _problem_schema()},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of `api_keys`. Where none is configured, programs on the server's "
                    "machine need none, and nobody else gets in.",
                }
            },
        },
        "security": [{"key": []}, {}],
    }


def refusals(operation: Operation) -> list[str]:
    """Return the codes of the problems that an operation may end in, in the order of their table."""
    possible = {*COMMON, *operation.refusals, *(WITH_BODY if operation.takes_body else ())}
    return [code for code in PROBLEMS if code in possible]


def _published(schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas with the names of ``SCHEMA_NAMES``, in references too."""
    for name, published in SCHEMA_NAMES.items():
        schemas[name]["title"] = published
    return {SCHEMA_NAMES.get(name, name): _refer_to_published(schema) for name, schema in schemas.items()}


def _refer_to_published(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _refer_to_published(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_refer_to_published(value) for value in schema]
    return _REFERENCES.get(schema, schema) if isinstance(schema, str) else schema


def _reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _TEMPLATE.format(name=SCHEMA_NAMES.get(kind.__name__, kind.__name__))}


def _operation(operation: Operation) -> dict[str, Any]:
    description: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Needs the right `{operation.right.value}`.",
        "parameters": _parameters(operation),
        "responses": {str(operation.status): _answer(operation), **_problems(refusals(operation))},
    }
    if operation.takes_body:
        content = {"application/json": {"schema": _reference(operation.body)}}
        description["requestBody"] = {"required": True, "content": content}
    return description


def _answer(operation: Operation) -> dict[str, Any]:
    return {"description": "Done.", "content": {"application/json": {"schema": _reference(operation.answer)}}}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    in_path = set(_IN_PATH.findall(operation.path))
    _, components = msgspec.json.schema_components([operation.params], ref_template=_TEMPLATE)
    parameters: list[dict[str, Any]] = []
    for name, schema in components[operation.params.__name__]["properties"].items():
        where = {"in": "path", "required": True} if name in in_path else {"in": "query"}
        description = schema.pop("description", "")
        parameters.append({"name": name, **where, "description": description, "schema": schema})
    if operation.is_idempotent_by_key:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "A name for this request, such as a UUID. Of all requests with it "
                "one is done; the others get its answer.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            }
        )
    return parameters


def _problems(listed: Sequence[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in listed:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {str(status): _problem(members) for status, members in sorted(by_status.items())}


def _problem(listed: Sequence[str]) -> dict[str, Any]:
    meanings = "; ".join(f"`{code}`: {PROBLEMS[code].sentence}" for code in listed)
    schema = {
        "allOf": [{"$ref": _TEMPLATE.format(name="Problem")}],
        "properties": {"code": {"enum": list(listed)}},
    }
    return {"description": f"{meanings}.", "content": {CONTENT_TYPE: {"schema": schema}}}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "Why a request was not carried out. `code` is stable; the sentences are for people.",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": {**text, "examples": [type_of(codes.NOT_JSON)]},
            "title": text,
            "status": {"type": "integer"},
            "code": text,
            "detail": text,
        },
    }
