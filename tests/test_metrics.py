"""The metrics of a node keep to Prometheus's rules for names, and all documented ones exist."""

import re

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from hornet.connector import AsyncConnector
from hornet.core.presence import Member
from tests.flows.conftest import Running, StartNode, start_node

__all__ = ["start_node"]

PROMISED = {
    "sessions": "hornet_sessions",
    "users": "hornet_users",
    "channels": "hornet_channels",
    "messages in": "hornet_messages_total",
    "messages of clients": "hornet_client_messages_total",
    "messages out": "hornet_deliveries_total",
    "events in": "hornet_client_events_total",
    "time of fan-out": "hornet_fanout_seconds_count",
    "bytes in": "hornet_received_bytes_total",
    "bytes out": "hornet_sent_bytes_total",
    "drops by reason": "hornet_messages_dropped_total",
    "refusals by reason": "hornet_refusals_total",
    "refused connections by reason": "hornet_connections_refused_total",
    "broken input by fault": "hornet_malformed_packets_total",
    "requests to the API refused, by code": "hornet_api_refusals_total",
    "state of Redis": "hornet_redis_up",
    "Redis lost": "hornet_redis_reconnections_total",
    "lag of the loop": "hornet_loop_lag_seconds_count",
    "send buffers": "hornet_send_buffer_bytes",
    "publishes not recorded": "hornet_history_unrecorded_total",
    "gaps by reason": "hornet_gaps_total",
    "clients that came back": "hornet_recoveries_total",
    "slow readers": "hornet_slow_readers_total",
    "hooks that failed": "hornet_hook_errors_total",
    "memory": "process_resident_memory_bytes",
    "open files": "process_open_fds",
}


@pytest.fixture
async def running(start_node: StartNode, prefix: str) -> Running:
    """A node to which all happened that is counted by a label."""
    running = await start_node(channel_secrets="a secret of the backend")
    client = await running.connect_with_token(f"{prefix}a")
    async with AsyncConnector(running.node.config.redis.redis) as backend:
        await backend.redis.publish(f"hornet:channel:{prefix}a", "no message")
        await backend.publish(f"{prefix}a", "news")
    assert (await client.message())["type"] == "news"
    await client.emit("message", "not JSON")
    assert (await client.message())["error"] == "WRONG_PARAMETERS"
    running.node.engine.count_no_free_file()
    running.node.engine.count_bad_http()
    return running


def families(running: Running) -> list[Metric]:
    return list(text_string_to_metric_families(running.node.metrics.render().decode()))


async def test_all_that_was_promised_is_there(running: Running) -> None:
    text = running.node.metrics.render().decode()
    for what, name in PROMISED.items():
        assert re.search(rf"^(?:{name}[ {{]|# TYPE {name} )", text, re.MULTILINE), what


async def test_names_follow_the_rules_of_prometheus(running: Running) -> None:
    for family in families(running):
        if not family.name.startswith("hornet_"):
            continue
        assert family.documentation, family.name
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", family.name)
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith(("_total", "_created")), sample.name
            else:
                assert not sample.name.endswith("_total"), f"{sample.name} grows, so it is a counter"
            assert not re.search(r"_(ms|millis|milliseconds|kb|mb|percent)(_|$)", sample.name), (
                "base units only"
            )
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_bytes")), family.name


async def test_what_was_counted_is_told_by_its_reason(running: Running) -> None:
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families(running)
        for sample in family.samples
    }
    assert found["hornet_messages_dropped_total", "NOT_JSON"] == 1
    assert found["hornet_refusals_total", "WRONG_PARAMETERS"] == 1
    assert found["hornet_messages_total",] == 1
    assert found["hornet_deliveries_total",] == 1
    assert found["hornet_sent_bytes_total",] > 0
    assert found["hornet_redis_up",] == 1


async def test_channels_are_counted_without_the_rooms_of_users_and_members(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node()
    clients = [await running.connect_with_token(f"{prefix}a", f"{prefix}{n}", user="ann") for n in range(2)]
    session = running.session(clients[0])
    await running.node.presence.join(session, f"{prefix}a", Member("ann"))
    [gauge] = [family for family in families(running) if family.name == "hornet_channels"]
    assert [sample.value for sample in gauge.samples] == [3]
