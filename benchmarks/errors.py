"""The errors of the benchmarks, each with its consequence."""


class BenchmarkError(Exception):
    """The benchmark can't go on. The text is one sentence for the person who started it."""


class Unavailable(BenchmarkError):
    """A peer can't be installed or started here. The benchmark reports that and leaves the peer out."""


class ToolFailed(Unavailable):
    """A compiler or an installer failed. ``output`` is all that it printed."""

    def __init__(self, tool: str, output: str) -> None:
        lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:] or ["it printed nothing"]
        super().__init__(f"{tool} failed: {errors[0]}")
        self.output = output


class RunFailed(BenchmarkError):
    """One run has no result. The benchmark reports that and goes on with the next run."""
