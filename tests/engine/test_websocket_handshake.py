"""The opening handshake of a WebSocket, by the examples of its RFC."""

import asyncio

import pytest

from hornet.engine.errors import Refusal
from hornet.engine.transport.websocket_handshake import Acceptance, check_websocket_request
from tests.engine.application import Application

REQUEST = {
    "host": "server.example.com",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}
"""RFC 6455, section 1.2."""


def test_the_key_is_answered_as_in_the_example_of_the_rfc() -> None:
    acceptance = Acceptance(REQUEST, compress=True)
    head, _, rest = acceptance.response.partition(b"\r\n")
    assert head == b"HTTP/1.1 101 Switching Protocols"
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in rest
    assert rest.endswith(b"\r\n\r\n")
    assert not acceptance.deflated


@pytest.mark.parametrize("compress", [True, False])
def test_compression_is_agreed_only_if_both_sides_want_it(compress: bool) -> None:
    headers = {**REQUEST, "sec-websocket-extensions": "permessage-deflate"}
    acceptance = Acceptance(headers, compress=compress)
    assert acceptance.deflated is compress
    assert (b"Sec-WebSocket-Extensions: permessage-deflate" in acceptance.response) is compress


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("upgrade", "h2c"),
        ("connection", "keep-alive"),
        ("sec-websocket-version", "8"),
        ("sec-websocket-key", "dGhlIHNhbXBsZQ=="),
        ("sec-websocket-key", "not base64"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
    ],
)
def test_another_request_is_refused(name: str, value: str) -> None:
    with pytest.raises(Refusal):
        check_websocket_request({**REQUEST, name: value})


@pytest.mark.parametrize(("eio", "writes"), [(4, 1), (3, 2)])
async def test_the_open_packet_of_version_3_is_not_written_with_the_acceptance(
    application: Application, eio: int, writes: int
) -> None:
    """A Node program that listens once its WebSocket is open misses what came in the same segment."""

    class Recording(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            self.written: list[bytes] = []

        def write(self, data: bytes | bytearray | memoryview) -> None:
            self.written.append(bytes(data))

        def is_closing(self) -> bool:
            return bool(self.written)

        def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
            pass

    transport = Recording()
    endpoint = application.engine.sio.eio.endpoint
    assert endpoint.open_websocket(transport, f"EIO={eio}&transport=websocket", REQUEST) is not None
    assert len(transport.written) == writes
    assert transport.written[0].startswith(b"HTTP/1.1 101 ")
    assert b'0{"sid":' in transport.written[-1]
