"""Hornet: a Socket.IO-compatible realtime pub/sub server that stands next to any web application.

``hornet.create_app(config)`` gives the whole server as an ``aiohttp.web.Application``. It is looked
up on first use only, so that a backend which imports ``hornet.connector`` never loads the server.
"""

from typing import TYPE_CHECKING, Any

from hornet._version import __version__

if TYPE_CHECKING:
    from hornet.app import create_app
    from hornet.config import Config

__all__ = ["Config", "__version__", "create_app"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from hornet.app import create_app

        return create_app
    if name == "Config":
        from hornet.config import Config

        return Config
    raise AttributeError(f"module 'hornet' has no attribute {name!r}")
