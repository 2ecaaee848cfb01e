"""Signatures: the session and the channel that each opens, and no others."""

import hashlib
import hmac
import json
from typing import Protocol

import pytest

from hornet.core.signatures import HMAC_PREFIX, is_signed, sign_hmac, sign_sha256

SECRETS = ("secret",)
PRESENCE = '{"id":"7","info":{"name":"Zoë"}}'


class Sign(Protocol):
    def __call__(self, secret: str, connection_id: str, channel: str, presence: str | None = ...) -> str: ...


both = pytest.mark.parametrize("sign", [sign_sha256, sign_hmac])


def test_the_sha256_scheme_hashes_the_texts_and_the_secret_joined_by_colons() -> None:
    wanted = hashlib.sha256(f"abc:private-orders:{PRESENCE}:secret".encode()).hexdigest()
    assert sign_sha256("secret", "abc", "private-Orders", PRESENCE) == wanted
    wanted = hashlib.sha256(b"abc:private-orders:secret").hexdigest()
    assert sign_sha256("secret", "abc", "private-orders") == wanted


def test_the_hmac_scheme_keeps_the_secret_out_of_the_text() -> None:
    wanted = hmac.new(b"secret", f"abc:private-orders:{PRESENCE}".encode(), "sha256").hexdigest()
    assert sign_hmac("secret", "abc", "private-Orders", PRESENCE) == f"hmac-sha256:{wanted}"


@both
@pytest.mark.parametrize("presence", [None, PRESENCE])
def test_what_was_signed_is_signed(sign: Sign, presence: str | None) -> None:
    signature = sign("secret", "abc", "private-orders", presence)
    assert is_signed(signature, SECRETS, "abc", "private-orders", presence)
    assert is_signed(signature.upper(), SECRETS, "abc", "private-orders", presence), "hex of either case"


@both
@pytest.mark.parametrize(
    ("connection_id", "channel", "presence"),
    [
        ("abd", "private-orders", PRESENCE),
        ("abc", "private-order", PRESENCE),
        ("abc", "private-orders", None),
        ("abc", "private-orders", PRESENCE + " "),
        ("abc:private-orders", "", PRESENCE[1:]),
    ],
)
def test_a_signature_is_for_one_connection_one_channel_and_one_member(
    sign: Sign, connection_id: str, channel: str, presence: str | None
) -> None:
    signature = sign("secret", "abc", "private-orders", PRESENCE)
    assert not is_signed(signature, SECRETS, connection_id, channel, presence)


# Made by authorize() of pushy's SDK for PHP: the data, and the signature over their text encoded once more.
PHP_SDK = (
    (None, "0a93d1d76d07a5374865e75aaef4ee57e1854ca3f860f145ba5410fa8b6541aa"),
    (
        r'{"username":"Zo\u00eb","avatar":"http:\/\/x.org\/a.png"}',
        "214129f99a12e48a224b890770e5797637caa187300a9e691a1ab76ac0fbfc36",
    ),
    (r'{"id":"7","q":"a\"b\\c"}', "4e76f63d4ed132d484f350a121f6b0fb96351c88991be8a1422fc10e181f9e47"),
    ("[]", "d7c894d35abce79a678d63ea0076b08bb5b6c835d7f24795e5d560508147c572"),
)


@pytest.mark.parametrize(("presence", "signature"), PHP_SDK)
def test_the_older_scheme_takes_presence_json_that_was_encoded_once_more(
    presence: str | None, signature: str
) -> None:
    session = "lv_VI97HAXpY6yYWAAAB"
    assert is_signed(signature, ("other", "top/secret"), session, "private-Orders", presence)
    assert not is_signed(signature, ("top/secret",), session, "private-orders", '{"id":"8"}')
    assert not is_signed(f"{HMAC_PREFIX}{signature}", ("top/secret",), session, "private-orders", presence)


def test_hmac_is_over_the_presence_json_as_it_is() -> None:
    once_more = json.dumps(PRESENCE, ensure_ascii=False)
    twice = hmac.new(b"secret", f"abc:private-a:{once_more}".encode(), "sha256").hexdigest()
    assert not is_signed(f"{HMAC_PREFIX}{twice}", SECRETS, "abc", "private-a", PRESENCE)


@both
@pytest.mark.parametrize("presence", [' {"id":"7"}', '"{}"', "7", ""])
def test_presence_data_begin_as_an_object_does(sign: Sign, presence: str) -> None:
    """A channel ``private-a: {"id":"7"}`` would sign the same text, and so would ``private-a:"{}"``."""
    with pytest.raises(ValueError, match="presence"):
        sign("secret", "abc", "private-a", presence)
    signature = hashlib.sha256(f"abc:private-a:{presence}:secret".encode()).hexdigest()
    assert not is_signed(signature, SECRETS, "abc", "private-a", presence)


@both
@pytest.mark.parametrize("presence", ['{"id":"7"}', "[]", r'"{\"id\":\"7\"}"'])
def test_a_name_that_ends_like_presence_data_is_not_signed(sign: Sign, presence: str) -> None:
    with pytest.raises(ValueError, match="in its name"):
        sign("secret", "abc", f"private-a:{presence}")


@both
def test_a_name_can_not_be_read_as_a_shorter_one_with_presence_data(sign: Sign) -> None:
    with pytest.raises(ValueError, match="in its name"):
        sign("secret", "abc", f"private-a:{PRESENCE}")
    signature = sign("secret", "abc", "private-a", '{"id":"7"}')
    assert not is_signed(signature, SECRETS, "abc", 'private-a:{"id":"7"}')


@both
def test_each_of_several_secrets_counts_while_one_replaces_the_other(sign: Sign) -> None:
    signature = sign("new", "abc", "private-a")
    assert is_signed(signature, ("old", "new"), "abc", "private-a")
    assert is_signed(signature, ("new", "old"), "abc", "private-a")
    assert not is_signed(signature, ("old",), "abc", "private-a")
    assert not is_signed(signature, (), "abc", "private-a")


@pytest.mark.parametrize(
    "signature", ["", "hmac-sha256:", "secret", "é" * 64, "\ud800", "0" * 64, "0" * 10_000]
)
def test_what_is_no_signature_opens_nothing(signature: str) -> None:
    assert not is_signed(signature, SECRETS, "abc", "private-a")


def test_one_scheme_is_not_taken_for_the_other() -> None:
    sha256, keyed = (sign("secret", "abc", "private-a") for sign in (sign_sha256, sign_hmac))
    assert not is_signed(HMAC_PREFIX + sha256, SECRETS, "abc", "private-a")
    assert not is_signed(keyed.removeprefix(HMAC_PREFIX), SECRETS, "abc", "private-a")


@both
def test_an_empty_secret_is_refused(sign: Sign) -> None:
    with pytest.raises(ValueError, match="secret is empty"):
        sign("", "abc", "private-a")


@both
@pytest.mark.parametrize(
    ("channel", "presence"), [("private-\ud800", None), ("private-a", "\ud800"), ("private-a", "")]
)
def test_what_can_not_be_signed_is_refused_and_opens_nothing(
    sign: Sign, channel: str, presence: str | None
) -> None:
    with pytest.raises(ValueError, match=r"UTF-8|presence"):
        sign("secret", "abc", channel, presence)
    assert not is_signed(sign("secret", "abc", "private-a"), SECRETS, "abc", channel, presence)
