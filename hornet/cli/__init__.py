"""The commands: ``hornet-server`` runs a node; ``hornet`` makes tokens, publishes, checks a configuration."""

from hornet.cli.main import main
from hornet.cli.server import serve

__all__ = ("main", "serve")
