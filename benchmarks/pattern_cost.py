"""What 10,000 live pattern subscriptions cost Redis and a node.

    python -m benchmarks.pattern_cost

Redis compares the topic of each PUBLISH with every glob that a connection subscribed to. The table shows its
CPU time per PUBLISH with no globs, with one glob per pattern, and with the globs to which a node of Hornet
subscribes. The last column is the node's part: the look-up of the live patterns that match a publication.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from redis import Redis

from benchmarks.valkey import valkey
from hornet.core.pattern_index import PatternIndex
from hornet.core.patterns import Pattern, parse_pattern, parse_publication, parse_topic
from hornet.flows.channels.patterns import EXACT_GLOBS

Make = Callable[[int], Pattern]

WIRE_FORMATS: dict[str, Make] = {
    "user given, any kind": lambda number: parse_pattern({"user": f"u{number}", "kind": "*"}),
    "user given, further keys": lambda number: parse_pattern({"user": f"u{number}"}, True),
}
TOPICS = {
    "a channel": "hornet:channel:news",
    "a publication": parse_publication({"user": "u7", "kind": "news"}),
}
PIPELINE = 500


def main(words: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.pattern_cost", description=__doc__.partition("\n")[0]
    )
    options.add_argument("--patterns", type=int, default=10_000, help="live patterns (10000)")
    options.add_argument("--publishes", type=int, default=4_000, help="publishes for each figure (4000)")
    chosen = options.parse_args(words)
    print(f"{chosen.patterns} live patterns; CPU us for each PUBLISH")
    print(f"{'patterns':26} {'published on':14} {'no globs':>9} {'one each':>9} {'Hornet':>9} {'look-up':>9}")
    with valkey(os.sched_getaffinity(0)) as port, Redis(port=port) as redis:
        for kind, make in WIRE_FORMATS.items():
            patterns = [make(number) for number in range(chosen.patterns)]
            each = {glob for pattern in patterns for glob in pattern.globs}
            node_globs = choose_globs(patterns)
            for name, topic in TOPICS.items():
                costs = []
                for globs in ((), each, node_globs):
                    with subscribed(redis, globs):
                        costs.append(cost_in_redis(redis, topic, chosen.publishes))
                costs.append(cost_of_look_up(patterns, topic, chosen.publishes))
                print(f"{kind:26} {name:14}", *(f"{cost:9.1f}" for cost in costs))
    return 0


def choose_globs(patterns: Sequence[Pattern]) -> set[str]:
    """Return the globs that a node subscribes to when its sessions subscribe to ``patterns``."""
    chosen: set[str] = set()
    for pattern in patterns:
        globs = chosen.union(pattern.globs)
        chosen = globs if len(globs) <= EXACT_GLOBS else chosen.union(pattern.broad_globs)
    return chosen


@contextmanager
def subscribed(redis: Redis, globs: Collection[str]) -> Iterator[None]:
    """Subscribe one connection to all of ``globs`` for the length of the block."""
    in_order = sorted(globs)
    with redis.pubsub() as subscriber:
        for start in range(0, len(in_order), PIPELINE):
            subscriber.psubscribe(*in_order[start : start + PIPELINE])
            for _ in in_order[start : start + PIPELINE]:
                subscriber.parse_response()
        assert redis.pubsub_numpat() == len(in_order)
        yield
        redis.client_kill_filter(_type="pubsub")
    while redis.pubsub_numpat():
        time.sleep(0.01)


def cost_in_redis(redis: Redis, topic: str, publishes: int) -> float:
    """Return the CPU microseconds that Redis uses for one PUBLISH."""
    before = cpu_s(redis)
    for _ in range(0, publishes, PIPELINE):
        pipeline = redis.pipeline(transaction=False)
        for _ in range(PIPELINE):
            pipeline.publish(topic, b"")
        pipeline.execute()
    return (cpu_s(redis) - before) / publishes * 1e6


def cpu_s(redis: Redis) -> float:
    usage = redis.info("cpu")
    return float(usage["used_cpu_user"]) + float(usage["used_cpu_sys"])


def cost_of_look_up(patterns: Sequence[Pattern], topic: str, times: int) -> float:
    """Return the CPU microseconds that this process uses to find the patterns that match one topic."""
    index = PatternIndex()
    for pattern in patterns:
        index.add(pattern)
    before = time.process_time()
    for _ in range(times):
        parsed = parse_topic(topic)
        if parsed is not None:
            index.match(parsed)
    return (time.process_time() - before) / times * 1e6


if __name__ == "__main__":
    sys.exit(main())
