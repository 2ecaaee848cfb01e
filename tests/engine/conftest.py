"""An engine for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.engine.application import Application, running


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    async with running() as started:
        yield started
