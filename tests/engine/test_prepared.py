"""Prepared messages: each wire format is encoded as its clients need it, once, and only when needed."""

from typing import Any

import pytest

from hornet.engine.wire.compression import inflate
from hornet.engine.wire.msgpack_packets import parse_msgpack
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.prepared import (
    BY_EVENT,
    DEFLATE_FROM_BYTES,
    DEFLATED,
    MSGPACK,
    TEXT_ONLY,
    VERSION_3,
    FrameBatch,
    PreparedMessage,
    PreparedPacket,
    SharedAcknowledgement,
    SharedAnswer,
    dump_frame,
)
from tests.engine.application import Text


def event(*args: Any) -> PreparedPacket:
    return PreparedPacket(SioPacket(Type.EVENT, ["x", *args]))


def test_a_message_is_text_or_an_event_as_its_session_wants_it() -> None:
    message = PreparedMessage(Text("hello"))
    assert message.packets(0) == ['42["message","hello"]']
    assert message.packets(BY_EVENT) == ['42["news",{"body":"hello"}]']
    assert message.frames(0) == dump_frame('42["message","hello"]', 0)


def test_a_session_with_the_msgpack_parser_gets_one_binary_packet() -> None:
    [packet] = PreparedMessage(Text("hello")).packets(MSGPACK)
    assert isinstance(packet, bytes)
    assert parse_msgpack(packet).data == ["message", "hello"]


def test_version_3_gets_ascii_in_a_poll_and_the_frame_of_version_4_on_a_websocket() -> None:
    message = event("ä")
    assert message.packets(VERSION_3) == ['42["x","\\u00e4"]']
    assert message.packets(0) == ['42["x","ä"]']
    assert message.frames(VERSION_3) is message.frames(0)


def test_half_of_a_surrogate_pair_is_escaped() -> None:
    assert event("\ud800").packets(0) == ['42["x","\\ud800"]']
    assert PreparedMessage(Text("\ud800")).packets(0) == ['42["message","\\ud800"]']


def test_a_binary_packet_has_a_type_byte_in_version_3_and_is_base64_where_only_text_is_taken() -> None:
    assert dump_frame(b"\x01", 0) == b"\x82\x01\x01"
    assert dump_frame(b"\x01", VERSION_3) == b"\x82\x02\x04\x01"
    assert dump_frame(b"\x01", VERSION_3 | TEXT_ONLY) == b"\x81\x06b4AQ=="
    assert dump_frame(b"\x01", TEXT_ONLY) == b"\x81\x05bAQ=="


@pytest.mark.parametrize(
    ("size", "compressed"), [(DEFLATE_FROM_BYTES - 1, False), (DEFLATE_FROM_BYTES, True)]
)
def test_a_frame_is_deflated_from_a_size_on(size: int, compressed: bool) -> None:
    packet = "4" * size
    frame = dump_frame(packet, DEFLATED)
    assert bool(frame[0] & 0x40) is compressed
    if compressed:
        assert inflate(frame[2:], size) == packet.encode()


def test_a_check_raises_for_what_no_json_can_carry() -> None:
    with pytest.raises(ValueError, match="JSON"):
        event(float("nan")).check(0)
    with pytest.raises(ValueError, match="no form for a value of type 'object'"):
        event(object()).check(0)


def test_a_batch_joins_its_messages_and_leaves_out_what_cannot_be_encoded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = event(float("nan"))
    batch = FrameBatch([event(1), wrong, event(2)])
    assert batch.make_frames(0) == dump_frame('42["x",1]', 0) + dump_frame('42["x",2]', 0)
    assert batch.frames[0] is not None
    assert batch.packets(0) == ['42["x",1]', '42["x",2]']
    assert wrong.frames(0) == b""
    assert "can't be encoded" in caplog.text


def test_a_shared_answer_is_encoded_once_behind_the_number_of_each_client() -> None:
    value = {"name": "ä"}
    answer = SharedAnswer(value)
    first, second = SharedAcknowledgement(answer, 7), SharedAcknowledgement(answer, 0)
    assert first.packets(0) == ['437[{"name":"ä"}]']
    assert first.packets(VERSION_3) == ['437[{"name":"\\u00e4"}]']
    assert first.frames(VERSION_3) == dump_frame('437[{"name":"ä"}]', 0)
    value["name"] = "changed"
    assert second.packets(BY_EVENT) == ['430[{"name":"ä"}]'], "the text of the first"
    [packed] = second.packets(MSGPACK)
    assert isinstance(packed, bytes)
    packet = parse_msgpack(packed)
    assert (packet.type, packet.id, packet.data) == (Type.ACK, 0, [{"name": "changed"}])


def test_a_shared_answer_escapes_half_of_a_surrogate_pair() -> None:
    assert SharedAcknowledgement(SharedAnswer(["\ud800"]), 1).packets(0) == ['431[["\\ud800"]]']
