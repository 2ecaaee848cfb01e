"""The metrics are fresh for a scraper, and cost little under a flood."""

import time

from hornet.web.probes import RENDERING_BURST_S, RENDERING_SHARE, PacedRendering

COST_S = 0.02


def test_a_scraper_gets_a_fresh_text() -> None:
    rendered: list[int] = []

    def render() -> bytes:
        rendered.append(1)
        return b"%d" % len(rendered)

    metrics = PacedRendering(render)
    assert [metrics.render() for _ in range(3)] == [b"1", b"2", b"3"]


def test_a_flood_gets_the_last_text_and_takes_a_tenth_of_a_processor() -> None:
    rendered: list[int] = []

    def render() -> bytes:
        rendered.append(1)
        until = time.thread_time() + COST_S
        while time.thread_time() < until:
            pass
        return b"%d" % len(rendered)

    metrics = PacedRendering(render)
    began = time.monotonic()
    texts = [metrics.render() for _ in range(1000)]
    elapsed_s = time.monotonic() - began
    assert len(rendered) <= (RENDERING_BURST_S + elapsed_s * RENDERING_SHARE) / COST_S + 1
    assert texts[-1] == b"%d" % len(rendered), "the last text is the newest one"
