"""The table of a session's life."""

from hornet.core.sessions import MOVES, AuthState, AuthStep


def test_closed_is_final() -> None:
    assert all(
        after is AuthState.CLOSED for (before, _), after in MOVES.items() if before is AuthState.CLOSED
    )


def test_a_session_that_goes_is_closed_from_any_state() -> None:
    assert all(MOVES[state, AuthStep.GONE] is AuthState.CLOSED for state in AuthState)


def test_only_a_proof_makes_a_session_ready() -> None:
    to_ready = {
        move for move, after in MOVES.items() if after is AuthState.READY and move[0] is not AuthState.READY
    }
    assert to_ready == {(AuthState.NEW, AuthStep.GRANTED), (AuthState.CHECKING, AuthStep.GRANTED)}


def test_a_refusal_takes_nothing_from_a_ready_session() -> None:
    assert MOVES[AuthState.READY, AuthStep.REFUSED] is AuthState.READY
    assert MOVES[AuthState.READY, AuthStep.TIMED_OUT] is AuthState.READY
