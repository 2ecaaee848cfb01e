"""What a Python backend imports: tokens, signatures and publishing. Never loads the server."""

from hornet.connector.aio import AsyncConnector
from hornet.connector.http import ApiError, ApiUnavailable
from hornet.connector.signing import sign_channel
from hornet.connector.sync import Connector

__all__ = ["ApiError", "ApiUnavailable", "AsyncConnector", "Connector", "sign_channel"]
