"""realizehit's publish, as its API client sends it."""

import base64
from typing import Any

import pytest

from hornet.core.history import split_stamp
from tests.e2e.backend import Backend
from tests.e2e.waiting import DEADLINE_S
from tests.web.api.conftest import Api, StartApi


async def test_a_payload_is_queued_on_the_topic_of_its_pattern(
    api: Api, backend: Backend, prefix: str
) -> None:
    async with backend.redis.pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe(f"channel:{prefix}|kind:news")
        answer = await api.post(
            "/", {"pattern": {"kind": "news", "channel": prefix}, "payload": {"a": None}, "more": 1}
        )
        assert (answer.status, answer.text) == (200, "Your payload has been queued for delivery")
        heard = None
        while heard is None:
            heard = await listening.get_message(timeout=DEADLINE_S)
        assert split_stamp(heard["data"])[1] == b'{"a":null}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "arguments"),
        ({}, ".pattern"),
        ({"pattern": {}, "payload": 1}, ".pattern"),
        ({"pattern": "a", "payload": 1}, ".pattern"),
        ({"pattern": {"a": "b"}}, ".payload"),
        ({"pattern": {"a": []}, "payload": 1}, "pattern"),
        ({"pattern": {"hornet": "channel"}, "payload": 1}, "reserved"),
    ],
)
async def test_what_is_no_publish_is_answered_400_in_words(api: Api, body: Any, said: str) -> None:
    answer = await api.post("/", body)
    assert answer.status == 400
    assert said in answer.text
    assert api.metric('hornet_api_refusals_total{code="REALIZEHIT_400"}') == 1


async def test_realizehits_publish_is_guarded_as_the_api_is(start_api: StartApi) -> None:
    key = "0123456789abcdef"
    api = await start_api(api_keys=(f"a:publish:{key}", "b:read:0123456789abcdeF"))
    body = {"pattern": {"a": "b"}, "payload": 1}
    assert (await api.post("/", body)).code == "KEY_MISSING"
    assert (await api.post("/", body, key="0123456789abcdeF")).code == "RIGHT_MISSING"
    assert (await api.post("/", body, key=key)).status == 200
    for shown, code in (
        (f"a:{key}", ""),
        ("b:0123456789abcdeF", "RIGHT_MISSING"),
        (f"b:{key}", "KEY_UNKNOWN"),
        (f":{key}", "KEY_UNKNOWN"),
        ("a:wrong", "KEY_UNKNOWN"),
        (key, "KEY_UNKNOWN"),
    ):
        basic = {"Authorization": "Basic " + base64.b64encode(shown.encode()).decode()}
        answer = await api.post("/", body, headers=basic)
        assert (answer.status == 200) if not code else (answer.code == code), shown
        assert (await api.post("/api/publish/pattern", body, headers=basic)).code == "KEY_UNKNOWN"
    for header in ("Basic", "Basic ?", "Basic /w==", f"Basic {key}", key):
        refused = await api.post("/", body, headers={"Authorization": header})
        assert refused.code == "KEY_UNKNOWN"
        assert "Authorization: Bearer <secret>" in refused.body["detail"]
    for simple in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        form = await api.post(
            "/", b'{"pattern": {"a": "b"}, "payload": 1}', key=key, headers={"Content-Type": simple}
        )
        assert (form.status, form.code) == (415, "NOT_JSON_TYPE")
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await api.request("OPTIONS", "/", headers=preflight)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert (await api.get("/")).text.startswith("<!doctype html><html lang=en><title>Hornet v")
