"""What may go wrong, by consequence."""


class BenchmarkError(Exception):
    """The text is one sentence for the person who started the benchmark."""


class Unavailable(BenchmarkError):
    """A peer can't be installed or started here: it is reported and left out."""


class ToolFailed(Unavailable):
    """A compiler or installer ended badly; ``output`` is all that it printed."""

    def __init__(self, tool: str, output: str) -> None:
        lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower()] or lines[-1:] or ["it left no word"]
        super().__init__(f"{tool} failed: {telling[0]}")
        self.output = output


class RunFailed(BenchmarkError):
    """One run has no result: it is reported, and the others go on."""
