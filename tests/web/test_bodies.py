"""Compressed bodies of requests to a real server."""

import gzip
import json
import zlib

import pytest
from aiohttp import ClientSession

from tests.conftest import StartServer, Valkey

BODY = json.dumps({"channels": ["news"], "type": "hello"}).encode()

ANSWERS = {
    "gzip": ("gzip", gzip.compress(BODY), 200),
    "deflate": ("deflate", zlib.compress(BODY), 200),
    "identity": ("identity", BODY, 200),
    "unlike its header": ("gzip", BODY, 400),
    "cut": ("gzip", gzip.compress(BODY)[:-9], 400),
    "unknown": ("compress", BODY, 400),
    "a bomb": ("gzip", gzip.compress(bytes(9_000_000)), 413),
}


@pytest.mark.parametrize(("coding", "body", "status"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_compressed_body_is_taken_up_to_the_bound_of_any_body(
    start_server: StartServer, valkey: Valkey, coding: str, body: bytes, status: int
) -> None:
    server = start_server(redis=valkey.url)
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    async with (
        ClientSession(server.url) as http,
        http.post("/api/publish", data=body, headers=headers) as answer,
    ):
        assert answer.status == status, await answer.text()
