"""The HTTP API of backends: a table of operations, and one way to run each of them.

``operation`` says what an operation is, ``endpoint`` runs it (who may, is the request valid, what is the
answer), ``document`` describes it. The other modules hold the operations themselves.
"""
