"""The opening handshake of a WebSocket, by the examples of its RFC."""

import asyncio

import pytest

from hornet.engine.errors import Refusal
from hornet.engine.transport.websocket_handshake import Acceptance, check_websocket_request
from tests.engine.application import Application, running

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


@pytest.mark.parametrize("asked", ["v1.example", "v1.example, v2.example", " v1.example ,v2"])
def test_the_first_subprotocol_that_is_asked_for_is_agreed(asked: str) -> None:
    acceptance = Acceptance({**REQUEST, "sec-websocket-protocol": asked}, compress=False)
    assert b"\r\nSec-WebSocket-Protocol: v1.example\r\n" in acceptance.response
    assert b"Protocol" not in Acceptance(REQUEST, compress=False).response.partition(b"\r\n")[2]


@pytest.mark.parametrize("asked", ["", "a,", "a b", "a,,b", "ü", "a\x00"])
def test_a_list_of_subprotocols_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(Refusal):
        Acceptance({**REQUEST, "sec-websocket-protocol": asked}, compress=False)


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize("through_handshake", [False, True])
async def test_a_client_that_asks_for_subprotocols_gets_its_websocket(
    upgrade: bool, through_handshake: bool
) -> None:
    async with running(through_handshake=through_handshake) as application:
        url = f"{application.url}?EIO=4&transport=websocket"
        if upgrade:
            url += f"&sid={(await application.open_polling())[0]}"
        ws = await application.websocket(url, protocols=("v1.example", "v2.example"))
        assert ws.protocol == "v1.example"


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
