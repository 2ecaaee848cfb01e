"""The plan of a benchmark: how many clients and messages, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES = 120


@dataclass(frozen=True, slots=True)
class Plan:
    sizes: tuple[int, ...]
    """Numbers of clients."""
    repetitions: int
    burst_s: float
    """About how long a burst takes: the number of messages is chosen from a warm-up."""
    warm_up_deliveries: int = 20_000
    rates: tuple[int, ...] = (50, 300)
    """Messages a second, evenly spaced."""
    rate_s: float = 4.0
    window: int = 16
    """Messages in flight during a burst: fewer than any server buffers, more than one turn of a loop."""
    idle_s: float = 25.0
    """One ping interval of Engine.IO, so that every connection is pinged once in it."""
    churn_clients: int = 5_000
    churn_rounds: int = 10
    channel_sessions: int = 1_000
    channels_per_session: int = 100
    visitors: int = 200
    """Clients that connect and disconnect while all these channels exist."""
    slow_clients: int = 5
    prompt_clients: int = 20
    slow_bytes: int = 100_000_000
    """How much is published while the slow clients read nothing."""
    slow_message_bytes: int = 50_000
    slow_rate: int = 200
    storm_sizes: tuple[int, ...] = (5_000,)
    storm_rooms: int = 50
    storm_messages: int = 100
    """How many messages each client of the storm misses."""
    storm_quiet_s: float = 5.0
    """How long bystanders are measured before the storm."""
    storm_in_flight: int = 1_000
    offset_turns: int = 2
    """How often each kind is measured within one run; so for the next."""
    recorded_turns: int = 3
    recorded_clients: int = 10
    """Few, so that the deliveries do not hide the node's cost of a message."""
    recorded_messages: int = 20_000
    recorded_rate: int = 1_000
    recorded_rate_s: float = 3.0


FULL = Plan(sizes=(1_000,), repetitions=3, burst_s=2.0)

QUICK = Plan(
    sizes=(50,),
    repetitions=1,
    burst_s=0.2,
    warm_up_deliveries=500,
    rates=(50,),
    rate_s=0.4,
    idle_s=0.3,
    churn_clients=50,
    churn_rounds=3,
    channel_sessions=20,
    channels_per_session=20,
    visitors=20,
    slow_clients=2,
    prompt_clients=5,
    slow_bytes=5_000_000,
    storm_sizes=(60,),
    storm_rooms=3,
    storm_messages=20,
    storm_quiet_s=0.4,
    offset_turns=1,
    recorded_turns=1,
    recorded_messages=200,
    recorded_rate_s=0.2,
)
"""Shows within seconds that everything works. Its figures mean nothing."""
