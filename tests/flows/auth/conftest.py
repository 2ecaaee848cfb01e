"""A backend with an API of its own, and a node that asks it."""

from collections.abc import AsyncIterator

import pytest

from tests.flows.auth.user_api import UserApi
from tests.flows.conftest import Running, StartNode


@pytest.fixture
async def api() -> AsyncIterator[UserApi]:
    async with UserApi() as api:
        yield api


@pytest.fixture
async def asking(start_node: StartNode, api: UserApi) -> Running:
    """A node that asks that backend."""
    return await start_node(backend_uri=api.uri)
