"""The table of a session's states."""

from hornet.engine.transport.states import MOVES, State, Step, is_open


def test_every_state_but_the_last_can_end() -> None:
    assert {state for state, step in MOVES if step is Step.GONE} == set(State) - {State.CLOSED}


def test_nothing_leads_out_of_the_last_state() -> None:
    assert not any(state is State.CLOSED for state, _ in MOVES)


def test_a_session_that_ended_never_opens_again() -> None:
    assert not any(is_open(after) for (before, _), after in MOVES.items() if not is_open(before))


def test_only_a_probe_leads_from_polling_to_websocket() -> None:
    assert [before for (before, _), after in MOVES.items() if after is State.WEBSOCKET] == [State.PROBING]
