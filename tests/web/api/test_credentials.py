"""Session ids of users, registered over HTTP."""

import json

from tests.web.api.conftest import Api


async def test_a_registered_id_proves_its_user_until_it_is_replaced_or_removed(api: Api, prefix: str) -> None:
    path = f"/api/users/{prefix}/credential"

    async def is_valid(session_id: str) -> bool:
        answer = await api.post(f"{path}/check", {"session_id": session_id})
        return bool(answer.body["valid"])

    assert not await is_valid("first")
    answer = await api.request("PUT", path, json={"session_id": "first"})
    assert (answer.status, answer.body) == (200, {"user": prefix})
    assert await is_valid("first")

    client = await api.connect()
    await client.emit("message", json.dumps({"userId": prefix, "hash": "first"}))
    assert "auth" in await client.message()
    assert (await api.get(f"/api/users/{prefix}")).body["online"] is True

    await api.request("PUT", path, json={"session_id": "second", "ttl": 60})
    assert not await is_valid("first")
    assert await is_valid("second")
    assert (await api.request("DELETE", path)).body == {"removed": True}
    assert (await api.request("DELETE", path)).body == {"removed": False}
    assert not await is_valid("second")


async def test_what_can_not_be_registered_is_refused(api: Api) -> None:
    for body in ({}, {"session_id": ""}, {"session_id": "x" * 513}, {"session_id": "a", "ttl": 0}):
        answer = await api.request("PUT", "/api/users/ada/credential", json=body)
        assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
