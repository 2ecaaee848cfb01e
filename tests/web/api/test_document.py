"""The OpenAPI document says what the server does."""

import hashlib
import json
from typing import Any

from hornet.web.api.endpoint import API_VERSION
from tests.web.api.conftest import Api

DIGESTS = {
    "1.0": "6e4f9625cd53b693",
}
"""API version -> digest of its document, less the words for people. A change of the document is a change of
the API: give it another version (`API_VERSION`), or while that is unreleased, another digest."""


async def test_the_document_is_served_to_anyone_and_cached_by_its_content(api: Api) -> None:
    headers = {"X-Forwarded-For": "192.0.2.1"}
    answer = await api.get("/api/openapi.json", headers=headers)
    assert answer.status == 200
    assert answer.body["openapi"] == "3.1.0"
    assert answer.body["info"]["version"] == API_VERSION
    known = {"If-None-Match": answer.header("ETag")}
    assert (await api.get("/api/openapi.json", headers=known)).status == 304


async def test_every_reference_in_the_document_leads_somewhere(api: Api) -> None:
    document = (await api.get("/api/openapi.json")).body
    names = set(document["components"]["schemas"])
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in names


async def test_the_version_changes_with_the_document(api: Api) -> None:
    document = _without_words((await api.get("/api/openapi.json")).body)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    assert DIGESTS[API_VERSION] == digest, "see DIGESTS"


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []


def _without_words(value: Any) -> Any:
    words = ("description", "summary", "title", "examples")
    if isinstance(value, dict):
        return {name: _without_words(inner) for name, inner in value.items() if name not in words}
    return [_without_words(inner) for inner in value] if isinstance(value, list) else value
