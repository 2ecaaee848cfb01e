"""Access to the API. A refused request changes nothing, and is counted."""

import asyncio
from urllib.parse import urlsplit

import pytest
from multidict import CIMultiDict
from redis.asyncio import Redis

from tests.e2e.waiting import DEADLINE_S
from tests.web.api.conftest import Api, StartApi

PUBLISHER, READER = "publisher-0123456789", "reader-0123456789"
KEYS = (f"shop:publish:{PUBLISHER}", f"ops:read+manage:{READER}")


async def test_each_right_opens_its_own_operations(start_api: StartApi, prefix: str) -> None:
    api = await start_api(api_keys=KEYS)
    message = {"channels": prefix, "type": "news"}
    assert (await api.post("/api/publish", message, key=PUBLISHER)).status == 200
    assert (await api.post("/api/publish", message, key=READER)).code == "RIGHT_MISSING"
    assert (await api.get("/api/nodes", key=READER)).status == 200
    assert (await api.get("/api/nodes", key=PUBLISHER)).code == "RIGHT_MISSING"
    assert (await api.post("/api/tokens", {"channels": prefix}, key=READER)).status == 201
    assert (await api.post("/api/tokens", {"channels": prefix}, key=PUBLISHER)).status == 403
    assert api.metric('hornet_api_callers_total{key="ops"}') == 2


async def test_a_wrong_or_missing_key_changes_nothing_and_is_counted(
    start_api: StartApi, redis: Redis, prefix: str
) -> None:
    api = await start_api(api_keys=KEYS)
    async with redis.pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe(f"hornet:channel:{prefix}")
        message = {"channels": prefix, "type": "news"}
        missing = await api.post("/api/publish", message)
        assert (missing.status, missing.code) == (401, "KEY_MISSING")
        assert missing.header("WWW-Authenticate") == "Bearer"
        assert "Authorization: Bearer <secret>" in missing.body["detail"]
        bare = await api.post("/api/publish", message, headers={"Authorization": PUBLISHER})
        assert (bare.status, bare.code) == (401, "KEY_UNKNOWN")
        assert "Authorization: Bearer <secret>" in bare.body["detail"]
        whole = await api.post("/api/publish", message, key=KEYS[0])
        assert "the secret alone" in whole.body["detail"]
        assert PUBLISHER not in bare.text + whole.text
        for wrong in ("wrong-0123456789", PUBLISHER + "0", PUBLISHER[:-1]):
            assert (await api.post("/api/publish", message, key=wrong)).code == "KEY_UNKNOWN"
        basic = {"Authorization": f"Basic {PUBLISHER}"}
        assert (await api.post("/api/publish", message, headers=basic)).code == "KEY_UNKNOWN"
        await redis.publish(f"hornet:channel:{prefix}", "the first")
        heard = None
        while heard is None:
            heard = await listening.get_message(timeout=DEADLINE_S)
        assert heard["data"] == b"the first"
    assert api.metric('hornet_api_refusals_total{code="KEY_MISSING"}') == 1
    assert api.metric('hornet_api_refusals_total{code="KEY_UNKNOWN"}') == 6


async def test_a_key_is_never_logged(
    start_api: StartApi, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    caplog.set_level(0)
    api = await start_api(api_keys=KEYS)
    await api.post("/api/publish", {"channels": prefix, "type": "t"}, key=PUBLISHER)
    await api.post("/api/publish", {"channels": prefix, "type": "t"}, key="wrong-0123456789")
    assert PUBLISHER not in caplog.text
    assert "wrong-0123456789" not in caplog.text


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("X-Forwarded-For", "127.0.0.1", "NOT_LOCAL"),
        ("X-Forwarded-Proto", "https", "NOT_LOCAL"),
        ("Forwarded", "for=127.0.0.1", "NOT_LOCAL"),
        ("X-Real-IP", "127.0.0.1", "NOT_LOCAL"),
        ("Via", "1.1 proxy", "NOT_LOCAL"),
        ("CF-Ray", "8a1", "NOT_LOCAL"),
        ("X-Envoy-Expected-Rq-Timeout-Ms", "15000", "NOT_LOCAL"),
        ("X-Original-Host", "push.example.com", "NOT_LOCAL"),
        ("X-Amzn-Trace-Id", "Root=1-2-3", "NOT_LOCAL"),
        ("Tailscale-User-Login", "ana", "NOT_LOCAL"),
        ("Host", "push.example.com", "NOT_LOCAL"),
        ("Host", "127.0.0.1.example.com", "NOT_LOCAL"),
        ("Host", "[::1", "NOT_LOCAL"),
        ("Origin", "https://www.example.com", "CROSS_SITE"),
        ("Origin", "http://localhost:3000", "CROSS_SITE"),
        ("Origin", "null", "CROSS_SITE"),
        ("Sec-Fetch-Site", "cross-site", "CROSS_SITE"),
        ("Sec-Fetch-Site", "same-site", "CROSS_SITE"),
        ("Authorization", "Bearer anything", "KEY_UNKNOWN"),
    ],
)
async def test_without_keys_only_a_program_on_this_machine_gets_in(
    api: Api, header: str, value: str, code: str
) -> None:
    assert (await api.get("/api/nodes", headers={header: value})).code == code


async def test_a_header_in_two_lines_is_judged_by_both(start_api: StartApi) -> None:
    api = await start_api()
    own = f"http://{urlsplit(api.url).netloc}"
    for name, good, bad in (
        ("Origin", own, "https://www.example.com"),
        ("Sec-Fetch-Site", "same-origin", "cross-site"),
    ):
        for lines in ([(name, good), (name, bad)], [(name, bad), (name, good)]):
            assert (await api.get("/api/nodes", headers=CIMultiDict(lines))).code == "CROSS_SITE", lines
    accept = CIMultiDict([("Accept", "*/*"), ("Accept", "application/vnd.hornet.v9+json")])
    assert (await api.get("/api/nodes", headers=accept)).code == "UNSUPPORTED_VERSION"


async def test_without_keys_a_trusted_proxy_on_this_machine_does_not_get_in(start_api: StartApi) -> None:
    """A proxy that adds no header looks like a program on this machine, but speaks for others."""
    api = await start_api(trusted_proxies=("127.0.0.0/8", "::1"))
    refused = await api.get("/api/nodes")
    assert (refused.status, refused.code) == (403, "NOT_LOCAL")
    assert "api_keys" in refused.body["detail"]
    assert api.metric('hornet_api_refusals_total{code="NOT_LOCAL"}') == 1
    with_key = await start_api(trusted_proxies=("127.0.0.0/8", "::1"), api_keys=KEYS)
    assert (await with_key.get("/api/nodes", key=READER)).status == 200


async def test_without_keys_the_operator_may_open_the_api_or_close_it(start_api: StartApi) -> None:
    opened = await start_api(trusted_proxies=("127.0.0.0/8", "::1"), keyless_api="local")
    assert (await opened.get("/api/nodes")).status == 200
    assert (await opened.get("/api/nodes", headers={"X-Forwarded-For": "1.2.3.4"})).code == "NOT_LOCAL"
    assert (await opened.get("/api/nodes", headers={"Host": "push.example.com"})).code == "NOT_LOCAL"
    closed = await start_api(keyless_api="closed")
    assert (await closed.get("/api/nodes")).code == "NOT_LOCAL"


@pytest.mark.parametrize("host", ["localhost", "hornet.localhost:8187", "127.0.0.1", "127.8.8.8", "[::1]:1"])
async def test_without_keys_the_names_of_this_machine_are_good(api: Api, host: str) -> None:
    assert (await api.get("/api/nodes", headers={"Host": host})).status == 200
    same = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert (await api.get("/api/nodes", headers=same)).status == 200


async def test_a_request_as_nginx_makes_it_by_default_is_not_local(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(api.url).port)
    writer.write(b"GET /api/nodes HTTP/1.0\r\nHost: 127.0.0.1:8187\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b" 403 " in answer.splitlines()[0]
    assert b"NOT_LOCAL" in answer


async def test_a_form_of_a_page_can_not_publish(api: Api, prefix: str) -> None:
    body = b'{"channels":"c","type":"t"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await api.post("/api/publish", body, headers={"Content-Type": kind})
        assert (answer.status, answer.code) == (415, "NOT_JSON_TYPE")


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(start_api: StartApi) -> None:
    api = await start_api(api_keys=KEYS, api_rate=1)
    answers = [await api.get("/api/nodes", key=READER) for _ in range(3)]
    assert [answer.status for answer in answers[:2]] == [200, 200]
    assert answers[2].code == "TOO_MANY_REQUESTS"
    assert answers[2].header("Retry-After") == "1"
    assert api.metric('hornet_api_refusals_total{code="TOO_MANY_REQUESTS"}') == 1
    assert (await api.post("/api/publish", {"channels": "c", "type": "t"}, key=PUBLISHER)).status == 200
