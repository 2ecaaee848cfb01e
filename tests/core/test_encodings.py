"""The coding that a client takes a response in."""

import pytest

from hornet.core.encodings import preferred_coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("deflate", "deflate"),
        ("br", None),
        ("", None),
        ("gzip;q=0", None),
        ("gzip; q=0.000", None),
        ("gzip;q=0, deflate;q=0.5", "deflate"),
        ("gzip;q=0.2, deflate;q=0.5", "deflate"),
        ("*", "gzip"),
        ("*;q=0", None),
        ("gzip;q=0, *", "deflate"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("x-gzip-like", None),
        ("gzip;q=2", None),
        ("gzip;q=nan", None),
        (",,gzip", "gzip"),
    ],
)
def test_quality_values_are_honoured(accepted: str, coding: str | None) -> None:
    assert preferred_coding(accepted, ("gzip", "deflate")) == coding
