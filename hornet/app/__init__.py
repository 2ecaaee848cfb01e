"""The composition root: the only place that knows every part of a node and puts them together.

``create`` reads from top to bottom. ``services`` builds the parts that know of no flow. ``flows`` builds the
work of the node for clients and backends, with ``authentication`` for its authenticators. ``routing`` has the
tables that lead events and topics to flows, ``routes`` has the HTTP routes, and ``lifespan`` the order of
start and stop. ``build`` says what a node runs on.
"""

from hornet.app.build import speed_advice
from hornet.app.create import create_app
from hornet.app.node import NODE, Node

__all__ = ["NODE", "Node", "create_app", "speed_advice"]
