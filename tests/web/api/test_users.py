"""Users over HTTP."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.flows.client import Client
from tests.web.api.conftest import Api, StartApi, without_positions


async def logged_in(api: Api, user: str, channel: str) -> Client:
    """A client of a user, in a channel of no interest."""
    token = (await api.post("/api/tokens", {"channels": channel, "user": user})).body["token"]
    client = await api.connect({"token": token, "channels": [channel]})
    assert (await client.message())["type"] == "connected"
    return client


async def test_a_notification_reaches_every_session_of_its_users_once(
    start_api: StartApi, prefix: str
) -> None:
    nodes = await start_api(), await start_api()
    ada = [await logged_in(api, prefix + "ada", prefix) for api in (*nodes, nodes[0])]
    bob = await logged_in(nodes[0], prefix + "bob", prefix)
    other = await logged_in(nodes[1], prefix + "eve", prefix)
    body = {"users": [prefix + "ada", prefix + "bob", prefix + "ada"], "event": "mail", "payload": {"n": 1}}
    headers = {"Idempotency-Key": prefix}
    first = await nodes[1].post("/api/publish/users", body, headers=headers)
    assert without_positions(first.body) == {"nodes": 3}
    again = await nodes[0].post("/api/publish/users", body, headers=headers)
    assert again.body == {**first.body, "replayed": True}
    await nodes[0].post("/api/publish", {"channels": prefix, "type": "last"})
    for client in (*ada, bob):
        assert await client.event() == ("mail", {"n": 1})
        assert (await client.message())["type"] == "last"
    assert (await other.message())["type"] == "last"


async def test_a_user_is_shown_with_sessions_of_all_nodes_and_the_backends_channels(
    start_api: StartApi, prefix: str
) -> None:
    nodes = await start_api(), await start_api()
    user = f"{prefix}ada/ž"
    path = f"/api/users/{prefix}ada%2F%C5%BE"
    absent = {"user": user, "online": False, "sessions": [], "channels": []}
    assert (await nodes[0].get(path)).body == absent
    clients = [await logged_in(api, user, prefix) for api in nodes]
    asked = {"channels": [f"{prefix}1", f"{prefix}2"]}
    assert (await nodes[0].post(f"{path}/subscribe", asked)).body == {"changed": 2}
    assert (await nodes[1].post(f"{path}/subscribe", asked)).body == {"changed": 0}
    shown = (await nodes[1].get(path)).body
    assert shown["online"] is True
    assert shown["channels"] == [f"{prefix}1", f"{prefix}2"]
    assert {(one["session"], one["node"]) for one in shown["sessions"]} == {
        (client.sid, api.node.nodes.id) for client, api in zip(clients, nodes, strict=True)
    }
    listed = (await nodes[0].get(f"/api/channels/{prefix}1/users")).body
    assert listed == {"users": [user]}


async def test_a_subscribed_user_receives_until_it_is_unsubscribed(start_api: StartApi, prefix: str) -> None:
    api = await start_api()
    client = await logged_in(api, prefix, prefix)
    await api.post(f"/api/users/{prefix}/subscribe", {"channels": [prefix + "a", prefix + "b"]})
    late = await logged_in(api, prefix, prefix)
    await api.post("/api/publish", {"channels": prefix + "a", "type": "late"})
    assert (await late.message())["channel"] == prefix + "a"
    taken = await api.post(f"/api/users/{prefix}/unsubscribe", {"channels": prefix + "a"})
    assert taken.body == {"changed": 1}
    assert (await api.post(f"/api/users/{prefix}/unsubscribe", {})).body == {"changed": 1}
    assert (await api.post(f"/api/users/{prefix}/unsubscribe", {})).body == {"changed": 0}
    assert (await api.get(f"/api/users/{prefix}")).body["channels"] == []
    assert client.sid != late.sid


async def test_pages_put_together_have_every_user_that_is_online(api: Api, prefix: str) -> None:
    wanted = [f"{prefix}{number}" for number in range(5)]
    for user in wanted:
        await logged_in(api, user, prefix)
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await api.get(f"/api/users?after={quote(after)}&limit=2")).body
        assert page["online"] >= 5
        found += page["users"]
        after = page.get("next")
    assert [user for user in found if user.startswith(prefix)] == wanted
    assert found == sorted(found)


async def test_disconnecting_a_user_ends_all_sessions(start_api: StartApi, prefix: str) -> None:
    nodes = await start_api(), await start_api()
    clients = [await logged_in(api, prefix, prefix) for api in nodes]
    assert (await nodes[0].post("/api/disconnect/users", {"users": prefix})).body == {"nodes": 2}
    for client in clients:
        assert (await client.message())["error"] == "USER_DISCONNECTED"
        await client.expect_closed()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/publish/users", {"users": [], "event": "e"}),
        ("/api/publish/users", {"users": "", "event": "e"}),
        ("/api/publish/users", {"users": "u", "event": ""}),
        ("/api/publish/users", {"users": "u", "event": "disconnect"}),
        ("/api/publish/users", {"users": "u", "event": "message"}),
        ("/api/publish/users", {"users": True, "event": "e"}),
        ("/api/users/u/subscribe", {"channels": "hornet"}),
        ("/api/users/u/subscribe", {"channels": []}),
        ("/api/users/u/subscribe", {}),
        ("/api/disconnect/users", {"users": []}),
    ],
)
async def test_what_is_no_user_channel_or_event_is_refused(api: Api, path: str, body: Any) -> None:
    answer = await api.post(path, body)
    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "path", ["/api/users?limit=x", "/api/users?limit=-1", "/api/users?limit=0", "/api/users/" + "u" * 257]
)
async def test_parameters_that_can_not_be_meant_are_refused(api: Api, path: str) -> None:
    assert (await api.get(path)).code == "INVALID_REQUEST"
