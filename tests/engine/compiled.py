"""The compiled loop over the sockets as a parameter of tests: without it, and with it where it was built."""

import pytest

from hornet.engine.transport.direct_write import find_send_each

COMPILED = [
    pytest.param(False, id="transports"),
    pytest.param(
        True,
        id="sockets",
        marks=pytest.mark.skipif(find_send_each() is None, reason="the compiled loop was not built"),
    ),
]
