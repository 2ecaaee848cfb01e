"""The table of a session's life."""

from hornet.core.sessions import MOVES, State, Step


def test_closed_is_final() -> None:
    assert all(after is State.CLOSED for (before, _), after in MOVES.items() if before is State.CLOSED)


def test_a_session_that_goes_is_closed_from_any_state() -> None:
    assert all(MOVES[state, Step.GONE] is State.CLOSED for state in State)


def test_only_a_proof_makes_a_session_ready() -> None:
    to_ready = {move for move, after in MOVES.items() if after is State.READY and move[0] is not State.READY}
    assert to_ready == {(State.NEW, Step.GRANTED), (State.CHECKING, Step.GRANTED)}


def test_a_refusal_takes_nothing_from_a_ready_session() -> None:
    assert MOVES[State.READY, Step.REFUSED] is State.READY
    assert MOVES[State.READY, Step.TIMED_OUT] is State.READY
