"""The tables of a session's states and of a WebSocket's phases."""

from hornet.engine.transport.states import MOVES, PHASE_MOVES, Phase, PhaseStep, State, Step, is_open


def test_every_open_state_can_end_and_every_ended_state_can_be_forgotten() -> None:
    ended = {state for state in State if not is_open(state)} - {State.CLOSED}
    assert {state for state, step in MOVES if step is Step.ENDED} == {s for s in State if is_open(s)}
    assert {state for state, step in MOVES if step is Step.FORGOTTEN} == ended


def test_nothing_leads_out_of_the_last_state() -> None:
    assert not any(state is State.CLOSED for state, _ in MOVES)


def test_a_session_that_ended_never_opens_again() -> None:
    assert not any(is_open(after) for (before, _), after in MOVES.items() if not is_open(before))


def test_only_an_upgrade_leads_from_polling_to_websocket() -> None:
    before = {move for move, after in MOVES.items() if after is State.WEBSOCKET}
    assert before == {
        (State.OPENING, Step.CARRIED),
        (State.POLLING, Step.UPGRADED),
        (State.PROBING, Step.UPGRADED),
    }


def test_every_state_can_be_reached_from_the_first() -> None:
    assert {State.OPENING, *MOVES.values()} == set(State)


def test_a_websocket_can_close_in_every_phase_and_never_opens_again() -> None:
    assert {phase for phase, step in PHASE_MOVES if step is PhaseStep.CLOSES} == set(Phase)
    assert {after for (before, _), after in PHASE_MOVES.items() if before is Phase.CLOSING} == {Phase.CLOSING}
