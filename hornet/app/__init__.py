"""The composition root: the only place that knows every part of a node and puts them together.

``create`` reads from top to bottom. ``services`` are the parts that know of no flow, ``flows`` is what the
node does, with ``authentication`` for its authenticators. ``routing`` has the tables of what leads to which
flow, ``routes`` those of HTTP, and ``lifespan`` the order of start and stop.
"""

from hornet.app.create import create_app
from hornet.app.node import NODE, Node

__all__ = ["NODE", "Node", "create_app"]
