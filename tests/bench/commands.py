"""How long the commands take that only look, configure or steer, as whole processes with 100 000 tracked datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.bench import measuring
from tests.bench.filled_store import make_home


def measure(work: Path, rounds: int) -> measuring.Series:
    """Milliseconds per command."""
    home = make_home(work, "commands", 100_000).root
    series = measuring.Series("commands with 100 000 tracked datasets", "ms")

    def command(*arguments: str) -> Callable[[int], float]:
        return lambda number: measuring.timed(measuring.program(home, *arguments), ok=(0, 3)) * 1000

    contenders = {
        "status": command("status"),
        "status --json": command("--json", "status"),
        "problems": command("problems"),
        "sources": command("sources"),
        "destinations": command("destinations"),
        "datasets --search 0000042": command("datasets", "--search", "0000042"),
        "pause": command("pause"),
        "resume": command("resume"),
        "hold --for 1s": command("hold", "--for", "1s"),
        "retry": command("retry"),
        "test bench": command("test", "bench"),
        "detect": command("detect", str(work)),
        "plugins": command("plugins"),
        "add-destination": lambda number: (
            measuring.timed(
                measuring.program(home, "add-destination", "archive", f"new{number}", f"path={work / f'new {number}'}")
            )
            * 1000
        ),
    }
    measuring.run_rounds(series, contenders, rounds)
    return series
