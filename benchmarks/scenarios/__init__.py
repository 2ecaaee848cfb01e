"""The scenarios that are measured on each peer, by name."""

from benchmarks.scenarios import (
    audience,
    channels,
    churn,
    fan_out,
    offsets,
    polling,
    recorded,
    slow_reader,
    storm,
)
from benchmarks.scenarios.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        fan_out.SCENARIO,
        audience.SCENARIO,
        polling.SCENARIO,
        churn.SCENARIO,
        channels.SCENARIO,
        slow_reader.SCENARIO,
        recorded.SCENARIO,
        offsets.SCENARIO,
        storm.SCENARIO,
    )
}
"""In the order of the tables."""

__all__ = ["SCENARIOS", "Scenario"]
