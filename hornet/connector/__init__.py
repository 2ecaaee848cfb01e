"""The connector for Python backends: tokens, signatures and publishing. It never loads the server."""

from hornet.connector.aio import AsyncConnector
from hornet.connector.api import ApiError, ApiUnavailable, RedisRequired
from hornet.connector.commands import DEFAULT_URL, MessageTooLarge
from hornet.connector.signing import sign_channel
from hornet.connector.sync import Connector

__all__ = [
    "DEFAULT_URL",
    "ApiError",
    "ApiUnavailable",
    "AsyncConnector",
    "Connector",
    "MessageTooLarge",
    "RedisRequired",
    "sign_channel",
]
