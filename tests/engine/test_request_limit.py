"""The limit on requests of an address, for any path, over real sockets."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from multidict import CIMultiDict

from hornet.core.codes import REPEATED_HEADER, TOO_MANY_REQUESTS
from hornet.engine import EngineSettings
from hornet.engine.transport.request_limit import is_disguised
from tests.engine.application import Application, running
from tests.engine.test_connection_limit import own_address

PER_S = 5.0
BURST = 10


async def statuses(application: Application, count: int, path: str, **headers: str) -> Counter[int]:
    found: Counter[int] = Counter()
    root = "/".join(application.url.split("/")[:3])
    for _ in range(count):
        async with application.http.get(root + path, headers=headers) as response:
            await response.read()
            found[response.status] += 1
    return found


def settings_of(**more: object) -> EngineSettings:
    return EngineSettings(max_request_rate=PER_S, **more)  # type: ignore[arg-type]  # the test's own


@pytest.mark.parametrize(
    ("path", "status"),
    [("/socket.io/?EIO=4&transport=polling&sid=nobody", 400), ("/nothing", 404)],
    ids=["polls of no session", "other paths"],
)
async def test_a_flood_of_requests_is_refused_and_counted(
    path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings_of(), through_handshake=True, host=own_address()) as application:
        began = time.monotonic()
        found = await statuses(application, 100, path)
        meanwhile = PER_S * (time.monotonic() - began)
        assert found.keys() == {status, 429}
        assert BURST <= found[status] <= BURST + meanwhile + 1
        assert application.engine.counts.refused == {TOO_MANY_REQUESTS: found[429]}
    lines = [one for one in caplog.records if TOO_MANY_REQUESTS in one.getMessage()]
    assert len(lines) == 1


async def test_a_request_with_two_encodings_is_refused_and_counted() -> None:
    async with running(settings_of(), through_handshake=True) as application:
        headers = CIMultiDict([("Content-Encoding", "gzip"), ("Content-Encoding", "identity")])
        async with application.http.get(application.url, headers=headers) as response:
            assert response.status == 400
            assert REPEATED_HEADER in await response.text()
        assert application.engine.counts.refused == {REPEATED_HEADER: 1}


async def test_websockets_and_other_clients_are_not_hindered_by_it() -> None:
    settings = settings_of(trusted_proxies=("127.0.0.1",))
    async with running(settings, through_handshake=True) as application:
        flood = {"X-Forwarded-For": "192.0.2.1"}
        assert (await statuses(application, 50, "/nothing", **flood))[429]
        await application.websocket(application.url + "?EIO=4&transport=websocket", headers=flood)
        other = {"X-Forwarded-For": "192.0.2.2"}
        assert await statuses(application, BURST, "/nothing", **other) == {404: BURST}


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
async def test_a_line_that_the_client_made_hides_nothing_of_the_proxys_own_line(name: str) -> None:
    """HAProxy adds a line of its own behind the client's."""
    settings = settings_of(trusted_proxies=("127.0.0.1",), forwarded_header=name)
    value = "for={}" if name == "Forwarded" else "{}"
    async with running(settings, through_handshake=True) as application:
        found: Counter[int] = Counter()
        root = "/".join(application.url.split("/")[:3])
        for number in range(50):
            lines = CIMultiDict(
                [(name, value.format(f"192.0.2.{number}")), (name, value.format("203.0.113.9"))]
            )
            async with application.http.get(root + "/nothing", headers=lines) as response:
                found[response.status] += 1
        assert found[429]


async def test_this_machine_is_not_counted() -> None:
    async with running(settings_of(), through_handshake=True) as application:
        assert await statuses(application, 3 * BURST, "/nothing") == {404: 3 * BURST}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/metrics", False),
        ("/", False),
        ("", False),
        ("*", False),
        ("%", True),
        ("/%6detrics", True),
        ("/metric%73", True),
        ("/api/channels/a%2Fb", False),
    ],
)
def test_only_the_first_part_of_a_path_must_be_plain(path: str, wanted: bool) -> None:
    assert is_disguised(path) is wanted
