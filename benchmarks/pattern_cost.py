"""What pattern subscriptions cost, at 10,000 that are live: Redis, and a node.

    python -m benchmarks.pattern_cost

Redis compares each PUBLISH, on whatever topic, with every glob that anybody subscribed to. Its CPU time for a
PUBLISH is shown with no globs, with one glob for each pattern, and with the globs that a node of Hornet asks
for. The node's part is the look-up of the patterns that a publication matches, among all that are live.
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
            asked = asked_for(patterns)
            for name, topic in TOPICS.items():
                costs = []
                for globs in ((), each, asked):
                    with subscribed(redis, globs):
                        costs.append(cost_in_redis(redis, topic, chosen.publishes))
                costs.append(cost_of_looking_up(patterns, topic, chosen.publishes))
                print(f"{kind:26} {name:14}", *(f"{cost:9.1f}" for cost in costs))
    return 0


def asked_for(patterns: Sequence[Pattern]) -> set[str]:
    """The globs that a node asks for when its sessions subscribe to ``patterns``."""
    asked: set[str] = set()
    for pattern in patterns:
        globs = asked.union(pattern.globs)
        asked = globs if len(globs) <= EXACT_GLOBS else asked.union(pattern.broad_globs)
    return asked


@contextmanager
def subscribed(redis: Redis, globs: Collection[str]) -> Iterator[None]:
    """One connection listens to all of ``globs``, and is gone afterwards."""
    wanted = sorted(globs)
    with redis.pubsub() as listener:
        for start in range(0, len(wanted), PIPELINE):
            listener.psubscribe(*wanted[start : start + PIPELINE])
            for _ in wanted[start : start + PIPELINE]:
                listener.parse_response()
        assert redis.pubsub_numpat() == len(wanted)
        yield
        redis.client_kill_filter(_type="pubsub")
    while redis.pubsub_numpat():
        time.sleep(0.01)


def cost_in_redis(redis: Redis, topic: str, publishes: int) -> float:
    """CPU microseconds of the server for one PUBLISH."""
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


def cost_of_looking_up(patterns: Sequence[Pattern], topic: str, times: int) -> float:
    """CPU microseconds of this process to find the patterns that match one topic."""
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
