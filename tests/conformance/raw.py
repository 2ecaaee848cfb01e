"""Requests that no HTTP client would send: cut short, or held half written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from yarl import URL

from tests.conformance.polling import Polling


@asynccontextmanager
async def request_left_open(
    polling: Polling, method: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> AsyncIterator[asyncio.StreamReader]:
    """Write a request of this session as given; its connection is cut on leaving the block."""
    url = URL(polling.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = [f"{method} {url.path}?{urlencode(polling.query)} HTTP/1.1", f"Host: {url.host}:{url.port}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()
