"""Keys of backends: what is one, and which is found."""

import pytest

from hornet.config import load_config
from hornet.core.errors import SetupError
from hornet.web.api.auth import Right, parse_keys
from hornet.web.api.settings import ApiSettings

SECRET = "0123456789abcdef"


def test_a_key_is_found_by_its_whole_secret_alone() -> None:
    keys = parse_keys([f"shop:publish+read:{SECRET}", f"ops:manage:{SECRET}x"])
    found = keys.find(SECRET)
    assert found is not None
    assert (found.name, found.rights) == ("shop", frozenset({Right.PUBLISH, Right.READ}))
    for wrong in ("", SECRET[:-1], SECRET + "y", SECRET.upper(), f"shop:publish+read:{SECRET}", "\udc80"):
        assert keys.find(wrong) is None


def test_no_keys_are_false() -> None:
    assert not parse_keys([])
    assert parse_keys([f"a:read:{SECRET}"])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["shop"], "number 1 is not"),
        (["shop:publish"], "number 1 is not"),
        ([f"a:read:{SECRET}", f":publish:{SECRET}"], "number 2 is not"),
        ([f"sh op:publish:{SECRET}"], "number 1 is not"),
        ([f"shop:write:{SECRET}"], "'shop' has a right"),
        ([f"shop::{SECRET}"], "'shop' has a right"),
        (["shop:publish:short"], "secret of 'shop'"),
        ([f"shop:publish:{SECRET} x"], "secret of 'shop'"),
        ([f"a:read:{SECRET}", f"a:read:{SECRET}1"], "two keys named 'a'"),
        ([f"a:read:{SECRET}", f"b:read:{SECRET}"], "'b' has the secret of another"),
    ],
)
def test_a_malformed_key_is_named_without_its_secret(texts: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        parse_keys(texts)
    assert SECRET not in str(raised.value)
    with pytest.raises(SetupError, match="api_keys") as refused:
        load_config({}, {"HORNET_API_KEYS": ",".join(texts)})
    assert SECRET not in str(refused.value)


def test_secrets_do_not_show_where_things_are_printed() -> None:
    settings = ApiSettings(api_keys=(f"shop:publish:{SECRET}",), pushy_secret=SECRET)
    assert SECRET not in repr(settings)
    assert SECRET not in repr(parse_keys(settings.api_keys).find(SECRET))
