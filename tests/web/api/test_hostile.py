"""Callers that guess keys, replay requests, or ask without pause do not disturb other backends."""

import asyncio
import hashlib
import time
from urllib.parse import urlencode

from tests.e2e.backend import Backend
from tests.web.api.conftest import StartApi, admitted

SECRET = "secret-of-the-backend"
KEY = "0123456789abcdef"


def trigger_path(channel: str, event: str, timestamp: int, body: str) -> str:
    key = hashlib.sha256(f"{channel}:{event}:{timestamp}:{body}:{SECRET}".encode()).hexdigest()
    return f"/pushy/channel/{channel}/trigger?" + urlencode(
        {"event": event, "timestamp": timestamp, "auth_key": key}
    )


async def test_guessed_keys_are_counted_and_take_nothing_of_the_right_ones_pace(
    start_api: StartApi, prefix: str
) -> None:
    api = await start_api(api_keys=(f"shop:publish:{KEY}",), api_rate=1)
    guesses = await asyncio.gather(
        *(api.post("/api/publish", {"channels": prefix, "type": "t"}, key=f"{n:016}") for n in range(200))
    )
    assert {guess.code for guess in guesses} == {"KEY_UNKNOWN"}
    assert {guess.text for guess in guesses} == {guesses[0].text}, "no guess is told more than another"
    assert (await api.post("/api/publish", {"channels": prefix, "type": "t"}, key=KEY)).status == 200
    assert api.metric('hornet_api_refusals_total{code="KEY_UNKNOWN"}') == 200


async def test_a_flood_of_one_key_leaves_the_others_their_pace(start_api: StartApi, prefix: str) -> None:
    keys = (f"flood:publish:{KEY}", "shop:publish:fedcba9876543210")
    api = await start_api(api_keys=keys, api_rate=5)
    flood = await asyncio.gather(
        *(api.post("/api/publish", {"channels": prefix, "type": "t"}, key=KEY) for _ in range(100))
    )
    assert [one.status for one in flood].count(429) > 50
    answer = await api.post("/api/publish", {"channels": prefix, "type": "t"}, key="fedcba9876543210")
    assert answer.status == 200


async def test_a_key_without_the_right_is_refused_for_any_body(start_api: StartApi, prefix: str) -> None:
    api = await start_api(api_keys=(f"shop:publish:{KEY}",))
    document = (await api.get("/api/openapi.json")).body
    refused = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "`publish`" in operation["description"]:
                continue
            answer = await api.request(
                method.upper(), path.replace("{", "").replace("}", ""), key=KEY, json=[]
            )
            assert answer.code == "RIGHT_MISSING", (method, path)
            refused += 1
    assert refused > 15


async def test_a_trigger_that_was_seen_is_good_for_its_channel_event_and_body_alone(
    start_api: StartApi, backend: Backend, prefix: str
) -> None:
    """While it is fresh it can be sent again: nothing in the signature tells the second from the first."""
    api = await start_api(pushy_secret=SECRET)
    client, other = await admitted(api, backend, prefix), await admitted(api, backend, f"{prefix}other")
    now = int(time.time())
    seen = trigger_path(prefix, "paid", now, "{}")
    for path, body, status in (
        (seen, b"{}", 201),
        (seen, b"{}", 201),
        (seen, b'{"a":1}', 403),
        (seen.replace(f"/{prefix}/", f"/{prefix}other/"), b"{}", 403),
        (seen.replace("event=paid", "event=sent"), b"{}", 403),
        (seen.replace(f"timestamp={now}", f"timestamp={now + 1}"), b"{}", 403),
        (trigger_path(prefix, "paid", now - 601, "{}"), b"{}", 403),
    ):
        assert (await api.post(path, body)).status == status, path
    assert [(await client.message())["type"] for _ in range(2)] == ["paid", "paid"]
    await backend.publish(f"{prefix}other", "end")
    assert (await other.message())["type"] == "end"
    await backend.publish(prefix, "end")
    assert (await client.message())["type"] == "end", "of what was refused nothing arrives"
    assert api.metric('hornet_api_refusals_total{code="PUSHY_403"}') == 4
    assert api.metric('hornet_api_refusals_total{code="PUSHY_501"}') == 1
