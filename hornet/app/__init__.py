"""The composition root: the only place that knows every part of a node and puts them together.

``create`` reads from top to bottom: ``ground`` is what all flows stand on, ``entry`` lets clients in,
``hearing`` is what they hear and may do then, ``routes`` is HTTP, ``life`` the order of start and stop.
"""

from hornet.app.create import create_app
from hornet.app.node import NODE, Node

__all__ = ["NODE", "Node", "create_app"]
