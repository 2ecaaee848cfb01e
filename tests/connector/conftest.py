"""The connectors, and the servers that the broker's tests use as well."""

import pytest

from tests.broker.conftest import own_redis, start_redis
from tests.connector.shapes import MAKERS, Make

__all__ = ["make", "own_redis", "start_redis"]


@pytest.fixture(params=MAKERS.keys())
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a connector of one kind or the other."""
    return MAKERS[request.param]
