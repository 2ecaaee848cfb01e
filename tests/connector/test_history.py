"""Reading the past of a channel: the same answer through Redis and over HTTP, in both connectors."""

import pytest

from hornet.connector import AsyncConnector, Connector
from hornet.connector.calls import history
from tests.connector.shapes import in_thread
from tests.web.api.conftest import StartApi, start_api
from tests.web.api.conftest import start_redis as start_redis

__all__ = ["start_api"]


async def test_every_way_gives_the_same_pages(start_api: StartApi, prefix: str) -> None:
    api = await start_api()
    redis, http = api.node.config.redis.redis, api.url.rstrip("/")
    async with AsyncConnector(redis) as through_redis, AsyncConnector(http) as over_http:
        for number in range(5):
            await through_redis.publish(prefix, "n", {"n": number}, {"except": "secret"} if number else None)
        whole = await through_redis.history(prefix)
        assert [entry["message"]["n"] for entry in whole["messages"]] == [0, 1, 2, 3, 4]
        assert [entry.get("addressed", False) for entry in whole["messages"]] == [False] + [True] * 4
        first, last = (whole["messages"][place]["position"] for place in (0, 4))
        requests: list[dict[str, object]] = [
            {},
            {"limit": 2},
            {"limit": 2, "newest_first": True},
            {"since": first, "before": last},
            {"since": last},
            {"since": "other-1"},
            {"before": f"{first.partition('-')[0]}-0"},
        ]
        for request in requests:
            page = await through_redis.history(prefix, **request)  # type: ignore[arg-type]  # of several types
            assert await over_http.history(prefix, **request) == page  # type: ignore[arg-type]  # as above
            for url in (redis, http):
                with Connector(url) as connector:
                    assert await in_thread(connector.history, prefix, **request) == page


@pytest.mark.parametrize(
    "wrong",
    [{"channel": "hornet"}, {"channel": ""}, {"limit": 0}, {"limit": 1001}, {"since": "x"}, {"before": "-1"}],
)
def test_a_malformed_request_is_refused_before_anything_is_sent(wrong: dict[str, object]) -> None:
    request: dict[str, object] = {
        "channel": "news",
        "limit": 1,
        "since": None,
        "before": None,
        "newest_first": False,
        **wrong,
    }
    with pytest.raises(ValueError, match=r"channel|limit|position"):
        history(**request)  # type: ignore[arg-type]  # of several types
