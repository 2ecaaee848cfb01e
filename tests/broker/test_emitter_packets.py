"""The bodies of Socket.IO's emitters: read, or refused; never unpickled."""

import json
import pickle
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.broker.emitter_packets import Emit, parse_emit
from hornet.core.errors import InvalidPublish

PACKET = {"type": 2, "data": ["news", 1, {"a": None}], "nsp": "/"}


@pytest.mark.parametrize("dump", [msgpack.packb, lambda value: json.dumps(value).encode()])
def test_an_emit_is_read_in_both_forms(dump: Any) -> None:
    options = {"rooms": ["a", "b"], "except": ["c"], "flags": {"volatile": True}}
    wanted = Emit("/", "news", (1, {"a": None}), frozenset("ab"), frozenset("c"))
    assert parse_emit(dump(["uid", PACKET, options])) == wanted
    everyone = parse_emit(dump(["uid", {"type": 5, "data": ["news"]}, {}]))
    assert everyone == Emit("/", "news", (), frozenset(), frozenset())


def test_undefined_and_times_become_what_json_has_for_them() -> None:
    packet = {
        "type": 2,
        "data": ["e", msgpack.ExtType(0, b"\0"), msgpack.Timestamp(1_800_000_000, 5_000_000)],
    }
    emit = parse_emit(msgpack.packb(["uid", packet, {"rooms": None}]))
    assert emit.args == (None, "2027-01-15T08:00:00.005Z")


class Loaded:
    """Raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_unloaded(protocol: int) -> None:
    with pytest.raises(InvalidPublish):
        parse_emit(pickle.dumps(["uid", PACKET, Loaded()], protocol))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "data", "nsp", "rooms", "except"]), inner)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=64) | VALUES.map(msgpack.packb) | st.lists(VALUES, max_size=3).map(msgpack.packb))
def test_only_the_documented_error_comes_out(payload: bytes) -> None:
    try:
        emit = parse_emit(payload)
    except InvalidPublish:
        return
    assert isinstance(emit.event, str)


@pytest.mark.parametrize("payload", [b"\x93" * 3000, b"\x91" * 400 + b"\xc0", b"[" * 100_000])
def test_deep_nesting_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidPublish):
        parse_emit(payload)
