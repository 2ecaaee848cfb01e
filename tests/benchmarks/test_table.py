"""The table of results: figures, failures and losses."""

from collections.abc import Mapping

from benchmarks.results import Figure, Results, Run
from benchmarks.table import Layout, Row, render

LAYOUT = {
    "s": Layout(
        "{clients} clients",
        [Row("cost", "cost", 1), Row("never", "never measured"), Row("lost", "lost", summed=True)],
        headline="cost",
    )
}


def results(*runs: Run) -> Results:
    return Results(
        "2026-01-02", "2 cores, Some CPU", ["A remark."], {"hornet": "1.0"}, {"bun": "No Bun."}, [*runs]
    )


def run(peer: str, repetition: int, figures: Mapping[str, Figure], error: str = "") -> Run:
    return Run("s", peer, 1000, repetition, dict(figures), error=error)


def line(markdown: str, title: str) -> str:
    return next(line for line in markdown.splitlines() if line.startswith(f"| {title} |"))


def test_a_cell_is_the_median_of_the_runs() -> None:
    runs = [run("hornet", i, {"cost": cost}) for i, cost in enumerate((9.0, 1.0, 2.04))]
    assert line(render(results(*runs), LAYOUT), "cost") == "| cost | 2.0 |"


def test_losses_add_up() -> None:
    runs = [run("hornet", i, {"lost": lost}) for i, lost in enumerate((0, 1, 2))]
    assert line(render(results(*runs), LAYOUT), "lost") == "| lost | 3 |"


def test_a_peer_that_failed_in_most_runs_fails() -> None:
    runs = [run("hornet", i, {"cost": cost}) for i, cost in enumerate((None, 1.0, None))]
    assert line(render(results(*runs), LAYOUT), "cost") == "| cost | fails |"


def test_peers_stand_side_by_side_and_what_none_measured_is_no_row() -> None:
    table = render(
        results(run("node-ws", 0, {"cost": 3.0, "lost": 0}), run("hornet", 0, {"cost": 1.0})), LAYOUT
    )
    assert "**1,000 clients**\n\n| | Hornet | Node ws |\n|---|---:|---:|\n| cost | 1.0 | 3.0 |\n" in table
    assert line(table, "lost") == "| lost | – | 0 |"
    assert "never measured" not in table


def test_a_run_with_an_error_fails_and_is_told() -> None:
    table = render(results(run("hornet", 0, {"cost": 1.0}), run("node-ws", 0, {}, "It fell.")), LAYOUT)
    assert line(table, "cost") == "| cost | 1.0 | fails |"
    assert "- Failed: Node ws, s, 1,000 clients: It fell." in table


def test_the_footer_has_date_machine_versions_and_missing_peers() -> None:
    table = render(results(run("hornet", 0, {"cost": 1.0})), LAYOUT)
    assert table.endswith(
        "- 2026-01-02. 2 cores, Some CPU.\n- A remark.\n- Hornet: 1.0.\n- Left out: Bun. No Bun.\n"
    )
