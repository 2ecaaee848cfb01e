"""Names of headers: common ones are shared by all sessions, and no other name is kept."""

import gc
import sys

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from hornet.engine.transport import endpoint
from hornet.engine.transport.handshake import parse_request

NAMES = 20_000


def names_of(name: str) -> dict[str, str]:
    head = f"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\n{name}: b\r\n\r\n".encode()
    request = parse_request(head)
    assert request is not None
    return request[2]


def headers_of(name: str) -> dict[str, str]:
    return endpoint._parse_headers(CIMultiDictProxy(CIMultiDict({"Host": "a", name: "b"})))


@pytest.mark.parametrize("parse", [names_of, headers_of])
def test_a_common_name_is_one_object_for_all_sessions(parse: object) -> None:
    assert callable(parse)
    first, second = ([*parse("User-Agent")][1] for _ in range(2))
    assert first == "user-agent"
    assert first is second


@pytest.mark.parametrize("parse", [names_of, headers_of])
def test_names_that_a_client_makes_up_are_not_kept(parse: object) -> None:
    assert callable(parse)
    for number in range(100):
        parse(f"X-Warm-{number}")
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(NAMES):
        parse(f"X-Made-Up-{number}")
    gc.collect()
    assert sys.getallocatedblocks() - before < NAMES / 10
