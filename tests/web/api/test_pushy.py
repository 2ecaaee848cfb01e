"""pushy's trigger, as its backends send it."""

import asyncio
import hashlib
import json
import shutil
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from hornet.core.jsontext import dump_json
from tests.e2e.backend import Backend
from tests.web.api.conftest import Answer, Api, StartApi, admitted

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
SECRET = "secret-of-the-backend"


@pytest.fixture
async def api(start_api: StartApi) -> Api:
    return await start_api(pushy_secret=SECRET, api_keys=("a:publish:0123456789abcdef",))


async def trigger(
    api: Api,
    channel: str,
    event: str,
    body: bytes,
    *,
    signed: str | None = None,
    content_type: str = JSON,
    **query: Any,
) -> Answer:
    timestamp = query.pop("timestamp", int(time.time()))
    text = body.decode() if signed is None else signed
    proof = f"{channel.lower()}:{event}:{timestamp}:{text}:{SECRET}"
    key = hashlib.sha256(proof.encode()).hexdigest()
    asked = {"event": event, "timestamp": timestamp, "auth_key": key, **query}
    asked = {name: value for name, value in asked.items() if value is not None}
    path = f"/pushy/channel/{quote(channel, safe='')}/trigger?{urlencode(asked)}"
    return await api.post(path, body, headers={"Content-Type": content_type})


async def test_a_signed_trigger_reaches_the_channel(api: Api, backend: Backend, prefix: str) -> None:
    channel = f"{prefix}Hello:1"
    client = await admitted(api, backend, channel)
    answer = await trigger(api, channel, "test", b'{"text":"It works"}')
    assert answer.status == 201
    assert answer.body == {"status": {"code": 201, "message": "Ok"}}
    assert await client.message() == {"type": "test", "text": "It works", "channel": channel}
    assert (await trigger(api, channel, "test", b"[1,2]")).status == 201
    assert await client.message() == {"type": "test", "data": [1, 2], "channel": channel}


async def test_a_channel_without_members_is_answered_200(api: Api, prefix: str) -> None:
    answer = await trigger(api, prefix, "test", b"{}")
    assert (answer.status, answer.body) == (200, {"status": {"code": 200, "message": "Ok"}})


async def test_a_form_as_php_sends_it_reaches_the_channel_as_its_data(
    api: Api, backend: Backend, prefix: str
) -> None:
    client = await admitted(api, backend, prefix)
    form = b"text=It+works%2F%C5%BE&a%5Bb%5D=1&a%5Bl%5D%5B0%5D=2"
    plain, escaped = '{"text":"It works/ž","a":{"b":"1","l":["2"]}}', r'"It works\/\u017e"'
    for signed in (plain, plain.replace('"It works/ž"', escaped)):
        assert (await trigger(api, prefix, "test", form, signed=signed, content_type=FORM)).status == 201
        assert await client.message() == {"type": "test", **json.loads(plain), "channel": prefix}
    for signed in ("{}", "[]"):
        assert (await trigger(api, prefix, "empty", b"", signed=signed, content_type=FORM)).status == 201
        assert await client.message() == {"type": "empty", "channel": prefix}
    numbers = '{"text":"It works/ž","a":{"b":1,"l":["2"]}}'
    refused = await trigger(api, prefix, "test", form, signed=numbers, content_type=FORM)
    assert (refused.status, refused.body["error"]["code"]) == (403, "403")


async def test_a_multipart_form_reaches_the_channel_as_its_data(
    api: Api, backend: Backend, prefix: str
) -> None:
    client = await admitted(api, backend, prefix)
    body = b'--x\r\nContent-Disposition: form-data; name="l[]"\r\n\r\n2\r\n--x--\r\n'
    multipart = "multipart/form-data; boundary=x"
    assert (await trigger(api, prefix, "t", body, signed='{"l":["2"]}', content_type=multipart)).status == 201
    assert await client.message() == {"type": "t", "l": ["2"], "channel": prefix}


async def test_a_channel_is_triggered_in_lower_case_too(api: Api, backend: Backend, prefix: str) -> None:
    """pushy's channels are the same in upper and lower case."""
    lower, mixed = (
        await admitted(api, backend, f"{prefix}news"),
        await admitted(api, backend, f"{prefix}News"),
    )
    assert (await trigger(api, f"{prefix}News", "both", b"{}")).status == 201
    assert await lower.message() == {"type": "both", "channel": f"{prefix}news"}
    assert await mixed.message() == {"type": "both", "channel": f"{prefix}News"}
    assert (await trigger(api, f"{prefix}NEWS", "lower", b"{}")).status == 201
    assert (await trigger(api, f"{prefix}News", "end", b"{}")).status == 201
    assert [(await lower.message())["type"] for _ in range(2)] == ["lower", "end"]
    assert (await mixed.message())["type"] == "end"
    assert (await trigger(api, "HORNET", "disconnect_tokens", b"{}")).status == 400


@pytest.mark.parametrize("name", ["type", "channel", "only", "except"])
async def test_data_with_a_field_that_a_message_uses_itself_are_carried_whole(
    api: Api, backend: Backend, prefix: str, name: str
) -> None:
    client = await admitted(api, backend, prefix)
    data = {name: "x", "text": "It works"}
    assert (await trigger(api, prefix, "test", json.dumps(data).encode())).status == 201
    assert await client.message() == {"type": "test", "data": data, "channel": prefix}


async def test_what_is_signed_is_the_text_or_its_data_written_anew(api: Api, prefix: str) -> None:
    assert (await trigger(api, prefix, "test", b'{ "a": "\xc5\xbe" }')).status == 200
    assert (await trigger(api, prefix, "test", b'{ "a": "\xc5\xbe" }', signed='{"a":"ž"}')).status == 200
    assert (await trigger(api, prefix, "test", b"", signed="{}")).status == 200


async def test_socket_id_is_left_out(api: Api, backend: Backend, prefix: str) -> None:
    sender, other = await admitted(api, backend, prefix), await admitted(api, backend, prefix)
    assert (await trigger(api, prefix, "one", b"{}", socket_id=sender.sid)).status == 201
    assert (await trigger(api, prefix, "two", b"{}")).status == 201
    assert [(await other.message())["type"] for _ in range(2)] == ["one", "two"]
    assert (await sender.message())["type"] == "two"


@pytest.mark.parametrize("name", ["event", "timestamp", "auth_key"])
async def test_a_missing_parameter_is_named(api: Api, name: str) -> None:
    asked = {"event": "e", "timestamp": "1", "auth_key": "k"}
    del asked[name]
    answer = await api.post(f"/pushy/channel/c/trigger?{urlencode(asked)}", b"{}")
    assert answer.status == 400
    assert name in answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"timestamp": -601}, 403, "501"),
        ({"timestamp": 660}, 403, "501"),
        ({"timestamp": "soon"}, 403, "501"),
        ({"timestamp": "9" * 400}, 403, "501"),
        ({"auth_key": "0" * 64}, 403, "403"),
        ({"auth_key": "ž"}, 403, "403"),
    ],
)
async def test_a_trigger_that_is_not_signed_now_is_refused_and_counted(
    api: Api, backend: Backend, prefix: str, query: Any, status: int, code: str
) -> None:
    client = await admitted(api, backend, prefix)
    if isinstance(query.get("timestamp"), int):  # seconds from now
        query = {"timestamp": int(time.time()) + query["timestamp"]}
    answer = await trigger(api, prefix, "wrong", b"{}", **query)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert api.metric(f'hornet_api_refusals_total{{code="PUSHY_{code}"}}') == 1
    assert (await trigger(api, prefix, "right", b"{}")).status == 201
    assert (await client.message())["type"] == "right"


async def test_a_body_that_is_no_json_is_refused(api: Api) -> None:
    assert (await trigger(api, "c", "e", b"{")).status == 400
    answer = await trigger(api, "hornet", "disconnect_tokens", b'{"tokens":["a"]}')
    assert answer.status == 400
    assert (await trigger(api, "c" * 600, "e", b"{}")).status == 400


async def test_without_a_secret_there_is_no_trigger(start_api: StartApi) -> None:
    assert (await trigger(await start_api(), "c", "e", b"{}")).status == 404


PHP = r"""
[, $url, $secret, $channel] = $argv;
$data = ["text" => "It works/\u{17e}", "a" => ["b" => "1", "l" => ["2", "3"]]];
foreach ([$data, []] as $data) {
    $now = time();
    $signed = strtolower($channel) . ":test:$now:" . json_encode($data) . ":$secret";
    $key = hash("sha256", $signed);
    $query = "event=test&timestamp=$now&auth_key=$key";
    $form = ["method" => "POST", "content" => http_build_query($data),
             "header" => "Content-Type: application/x-www-form-urlencoded"];
    echo file_get_contents("{$url}pushy/channel/$channel/trigger?$query", false,
        stream_context_create(["http" => $form]));
}
"""


@pytest.mark.skipif(shutil.which("php") is None, reason="needs PHP")
async def test_php_signs_and_sends_as_the_sdk_does(api: Api, backend: Backend, prefix: str) -> None:
    client = await admitted(api, backend, prefix)
    running = await asyncio.create_subprocess_exec(
        "php", "-r", PHP, "--", api.url, SECRET, prefix, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await running.communicate()
    assert [json.loads(line)["status"]["code"] for line in output.splitlines()] == [201, 201]
    data = {"text": "It works/ž", "a": {"b": "1", "l": ["2", "3"]}}
    assert await client.message() == {"type": "test", **data, "channel": prefix}
    assert await client.message() == {"type": "test", "channel": prefix}


async def test_long_bodies_that_nobody_signed_hold_up_nobody_else(api: Api, prefix: str) -> None:
    """They are read in a thread: this one, in which all else is done, only takes and checks the requests."""
    body = dump_json(["/" * 900_000]).encode()
    in_all, here = time.process_time(), time.thread_time()
    answers = await asyncio.gather(*(trigger(api, prefix, "test", body, signed="another") for _ in range(5)))
    in_all, here = time.process_time() - in_all, time.thread_time() - here
    assert [answer.status for answer in answers] == [403] * 5
    assert here < in_all / 2


async def test_a_message_that_is_too_long_is_answered_413(start_api: StartApi, prefix: str) -> None:
    api = await start_api(
        pushy_secret=SECRET, api_keys=("a:publish:0123456789abcdef",), max_message_bytes=100
    )
    answer = await trigger(api, prefix, "test", b'{"text":"%s"}' % (b"x" * 100))
    assert (answer.status, answer.body["error"]["code"]) == (413, "413")
