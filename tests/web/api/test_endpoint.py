"""The rules for every operation: versions, unknown paths, the document."""

import pytest

from hornet.core.codes import PROBLEMS
from hornet.web.api.endpoint import API_VERSION
from hornet.web.api.problems import Problem, type_of
from tests.web.api.conftest import Api, StartApi


async def test_an_unknown_path_is_a_problem(api: Api) -> None:
    for path in ("/api", "/api/", "/api/nope", "/api/channels/a/b", "/api/publish/"):
        answer = await api.get(path)
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
        assert "/api/openapi.json" in answer.body["detail"]


async def test_a_wrong_method_is_told_which_there_are(api: Api) -> None:
    answer = await api.get("/api/publish")
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert answer.header("Allow") == "POST"
    assert (await api.request("DELETE", "/api/channels/a")).header("Allow") == "GET"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/vnd.hornet.v1+json", "text/html"])
async def test_a_request_for_this_version_or_for_none_is_answered_in_it(api: Api, accept: str) -> None:
    answer = await api.get("/api/nodes", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.header("Content-Type").startswith("application/json")
    assert answer.header("Hornet-API-Version") == API_VERSION


async def test_a_request_for_another_version_is_refused(api: Api) -> None:
    later = "application/vnd.hornet.v2+json"
    assert (await api.get("/api/nodes", headers={"Accept": later})).code == "UNSUPPORTED_VERSION"
    either = f"{later}, application/vnd.hornet.v1+json;q=0.5"
    assert (await api.get("/api/nodes", headers={"Accept": either})).status == 200
    body = b'{"channels":"a","type":"t"}'
    answer = await api.post("/api/publish", body, headers={"Content-Type": later})
    assert (answer.status, answer.code) == (406, "UNSUPPORTED_VERSION")
    spoken = {"Content-Type": "application/vnd.hornet.v1+json"}
    assert (await api.post("/api/publish", body, headers=spoken)).status == 200


async def test_answers_are_not_kept_by_caches(api: Api) -> None:
    assert (await api.get("/api/nodes")).header("Cache-Control") == "no-store"
    assert (await api.get("/api/nope")).header("Cache-Control") == "no-store"


async def test_the_api_can_be_turned_off(start_api: StartApi) -> None:
    api = await start_api(api=False)
    assert (await api.get("/api/nodes")).status == 404
    assert (await api.get("/api/openapi.json")).status == 404


async def test_every_operation_and_every_refusal_is_counted(api: Api) -> None:
    await api.get("/api/nodes")
    await api.get("/api/nodes?x=1")
    await api.get("/api/nope")
    assert api.metric('hornet_api_requests_total{operation="listNodes"}') == 2
    assert api.metric('hornet_api_refusals_total{code="INVALID_REQUEST"}') == 1
    assert api.metric('hornet_api_refusals_total{code="NOT_FOUND"}') == 1
    assert api.metric('hornet_api_callers_total{key="local"}') == 2


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_has_a_status_and_a_type_of_its_own(code: str) -> None:
    body = Problem(code, "because").body()
    assert 400 <= body["status"] < 600
    assert body["type"] == type_of(code) == f"urn:hornet:problem:{code.lower().replace('_', '-')}"
    assert body["detail"] == "because"
    assert "detail" not in Problem(code).body()
