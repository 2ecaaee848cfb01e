"""Control messages of the reserved channel."""

import pytest

from hornet.core.control import parse_control
from hornet.core.errors import InvalidPublish


@pytest.mark.parametrize("tokens", ['["a","b"]', '"a"', "[]"])
def test_disconnect_tokens(tokens: str) -> None:
    command = parse_control(f'{{"type":"disconnect_tokens","tokens":{tokens}}}'.encode())
    assert command.tokens <= {"a", "b"}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"nonsense", "NOT_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b"{}", "UNKNOWN_CONTROL"),
        (b'{"type":"reboot"}', "UNKNOWN_CONTROL"),
        (b'{"type":["disconnect_tokens"]}', "UNKNOWN_CONTROL"),
        (b'{"type":"disconnect_tokens"}', "BAD_TOKENS"),
        (b'{"type":"disconnect_tokens","tokens":{"a":1}}', "BAD_TOKENS"),
        (b'{"type":"disconnect_tokens","tokens":["a",1]}', "BAD_TOKENS"),
    ],
)
def test_a_malformed_control_message_is_refused_with_a_code(payload: bytes, code: str) -> None:
    with pytest.raises(InvalidPublish) as refused:
        parse_control(payload)
    assert refused.value.code == code
