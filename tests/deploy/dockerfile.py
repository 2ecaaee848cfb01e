"""A parser of Dockerfiles, as far as Hornet's needs it."""

import json
import re
from pathlib import Path


class Dockerfile:
    """The instructions of the last stage of a Dockerfile, which is the image."""

    def __init__(self, path: Path) -> None:
        lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
        text = "\n".join(lines).replace("\\\n", " ")
        instructions = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
        starts = [number for number, (name, _) in enumerate(instructions) if name == "FROM"]
        self._instructions = instructions[starts[-1] :]

    def all(self, name: str) -> list[str]:
        """Return the arguments of each instruction of that name."""
        return [" ".join(rest.split()) for found, rest in self._instructions if found == name]

    def words(self, name: str) -> list[str]:
        """Return the command of ``ENTRYPOINT`` or ``HEALTHCHECK``, which is a JSON list."""
        [found] = self.all(name)
        words: list[str] = json.loads(found[found.index("[") :])
        return words

    @property
    def variables(self) -> dict[str, str]:
        return dict(re.findall(r"(\w+)=(\S+)", " ".join(self.all("ENV"))))
