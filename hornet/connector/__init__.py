"""What a Python backend imports: tokens for its users, and publishing to them. Never loads the server."""

from hornet.connector.aio import AsyncConnector
from hornet.connector.http import ApiError, ApiUnavailable
from hornet.connector.sync import Connector

__all__ = ["ApiError", "ApiUnavailable", "AsyncConnector", "Connector"]
