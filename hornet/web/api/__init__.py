"""The HTTP API for backends: a table of operations, and one way to run each of them.

``operation`` defines what an operation is, ``endpoint`` runs it (check the caller, parse the request, call
the handler, answer), ``document`` describes it. ``publish``, ``tokens``, ``cluster``, ``users``,
``credentials`` and ``administration`` hold the operations themselves; ``routes`` puts them together.
"""

from hornet.web.api.endpoint import ApiCounts
from hornet.web.api.operation import ApiServices
from hornet.web.api.routes import Api, describe

__all__ = ["Api", "ApiCounts", "ApiServices", "describe"]
