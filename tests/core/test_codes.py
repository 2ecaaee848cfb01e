"""Every code has one constant, and a row for each audience that sees it."""

from hornet.core import codes


def test_a_code_has_one_spelling_and_one_constant() -> None:
    constants = {
        name: value
        for name, value in vars(codes).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str)
    }
    listed = {name for table in codes.AUDIENCES for name in table}
    assert sorted(constants.values()) == sorted(listed)
    for table in codes.AUDIENCES:
        assert all(name == code.name and code.meaning for name, code in table.items())
