"""The servers that the broker's tests use as well."""

from tests.broker.conftest import own_redis, start_redis

__all__ = ["own_redis", "start_redis"]
