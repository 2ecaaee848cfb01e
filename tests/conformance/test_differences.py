"""The differential run: several hundred odd inputs to Hornet and to the Node reference, compared.

Each difference is known and has its reason, or a test fails; so does a known difference that is gone.
"""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conformance import odd_packets, odd_payloads, odd_requests
from tests.conformance.cases import Case
from tests.conformance.known_differences import KNOWN, Difference, differences_of
from tests.conformance.observing import Observation, comparable
from tests.conformance.recording import REFERENCE, Recorder, hornet_recorder, node_recorder
from tests.e2e.javascript import install_modules

CASES = [*odd_requests.CASES, *odd_packets.CASES, *odd_payloads.CASES]
CONCURRENTLY = 24
PAGE = Path(__file__).parents[2] / "docs" / "topics" / "conformance.md"

Outcome = tuple[list[str], list[str]]
"""What a server did, and what its application received."""


@pytest.fixture(scope="module")
def reference() -> None:
    """Install the reference from its lock file, once."""
    try:
        install_modules(REFERENCE)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"npm can't install the reference: {error}")


async def outcomes_of(server: Recorder, cases: Sequence[Case]) -> dict[str, Outcome]:
    """Send each input, some at the same time, and return what came of it by the name of its case."""
    limit = asyncio.Semaphore(CONCURRENTLY)

    async def run(number: int, case: Case) -> list[str]:
        observed = Observation(server, str(number))
        async with limit:
            await case.run(observed)
        return observed.done

    done = await asyncio.gather(*(run(number, case) for number, case in enumerate(cases)))
    # A server records in order: what it did before this session ended, it has told.
    last = Observation(server, "last")
    websocket = await last.websocket(f"/socket.io/?{last.query(3, 'websocket')}")
    assert websocket is not None
    assert [await websocket.frame(), await websocket.frame()][1] == "40"
    await websocket.leave()
    await server.left("last")
    return {
        case.name: (done[number], comparable(server.received[str(number)]))
        for number, case in enumerate(cases)
    }


@pytest.mark.usefixtures("reference")
async def test_hornet_does_what_the_node_server_does_but_for_the_known_differences() -> None:
    async with node_recorder() as node, hornet_recorder() as hornet:
        expected, actual = await outcomes_of(node, CASES), await outcomes_of(hornet, CASES)
    differing = {name for name in expected if expected[name] != actual[name]}
    known = {case.name for case in CASES if differences_of(case.name)}
    new = [
        f"{name}\n  Node:   {expected[name]}\n  Hornet: {actual[name]}" for name in sorted(differing - known)
    ]
    assert not new, "\n".join(["new differences:", *new])
    assert sorted(known - differing) == [], "these are no differences any more"


def test_each_case_has_a_name_of_its_own_and_at_most_one_known_difference() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert [name for name in names if len(differences_of(name)) > 1] == []


@pytest.mark.parametrize("difference", KNOWN, ids=lambda difference: difference.input)
def test_a_known_difference_has_cases_and_stands_in_the_page(difference: Difference) -> None:
    assert any(difference.has(case.name) for case in CASES)
    assert difference.row in PAGE.read_text(encoding="utf-8").splitlines()
