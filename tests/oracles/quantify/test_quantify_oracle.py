"""The real quantify-core and xarray agree with what is found, converted and seen while a measurement runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etiket_gui.backends.api import BackendContext, DiscoveryRequest
from etiket_gui.backends.quantify.backend import QuantifyBackend
from etiket_gui.backends.quantify.config import QuantifyConfig
from etiket_gui.domain.content import Found
from etiket_gui.domain.errors import SourceChanged
from etiket_gui.domain.states import RunState
from etiket_gui.domain.stopping import StopToken
from etiket_gui.testing.known_datasets import KnownInMemory
from etiket_gui.testing.manifest import changes_since, take_manifest
from tests.support.samples import corpus_folder

PROJECT = Path(__file__).resolve().parents[3]


def backend(root: Path, work: Path, **options: Any) -> QuantifyBackend:
    config = QuantifyConfig(data_directory=str(root), is_network_folder=False, **options)
    return QuantifyBackend(config, BackendContext("source", work))


def look(source: QuantifyBackend) -> dict[str, Found]:
    found: dict[str, Found] = {}
    source.discover(
        DiscoveryRequest(), KnownInMemory(), lambda item: found.__setitem__(item.identifier, item), StopToken()
    )
    return found


def corpus() -> Path | None:
    folder = corpus_folder()
    return None if folder is None else folder / "quantify"


def test_finds_what_quantify_core_finds(produced: Path, with_quantify: Callable[..., Any], tmp_path: Path) -> None:
    wanted = with_quantify("list", produced)["rows"]
    source = backend(produced, tmp_path)
    listed = []
    for tuid in sorted(look(source)):
        content = source.read(tuid, StopToken())
        listed.append([tuid, sorted(file.entry.name for file in content.files if not file.is_derived)])
    assert listed == wanted
    assert len(listed) >= 8


def test_conversions_equal_what_xarray_and_quantify_core_read(
    produced: Path, with_quantify: Callable[..., Any], tmp_path: Path
) -> None:
    roots = [produced]
    samples = corpus()
    if samples is not None:
        roots += [samples / "generated", samples / "quantify_core_test_data"]
    pairs = []
    before = [take_manifest(root) for root in roots]
    for root in roots:
        source = backend(root, tmp_path)
        for tuid in look(source):
            content = source.read(tuid, StopToken())
            assert content.problems == ()
            made = [file.path for file in content.files if file.is_derived]
            originals = [file.path for file in content.files if file.entry.name == "dataset.hdf5"]
            assert len(made) == len(originals)
            pairs += [list(pair) for pair in zip(originals, made, strict=True)]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    told = with_quantify("compare", tmp_path / "pairs.json")
    assert told["differences"] == []
    assert told["gridded"] >= 6
    assert told["holes"] > 0
    assert len(pairs) >= 10
    assert [changes_since(manifest) for manifest in before] == [[] for _ in roots]


def test_same_input_gives_the_same_bytes_in_two_processes(produced: Path, tmp_path: Path) -> None:
    script = (
        "import sys, hashlib\nfrom pathlib import Path\n"
        "from etiket_gui.backends.api import BackendContext, DiscoveryRequest\n"
        "from etiket_gui.backends.quantify.backend import QuantifyBackend\n"
        "from etiket_gui.domain.stopping import StopToken\n"
        "class Known:\n"
        "    def fingerprints(self): return {}\n"
        "    def manifest(self, identifier): return ()\n"
        "config = QuantifyBackend.config_class(data_directory=sys.argv[1], is_network_folder=False)\n"
        "source = QuantifyBackend(config, BackendContext('u', Path(sys.argv[2])))\n"
        "found = []\n"
        "source.discover(DiscoveryRequest(), Known(), found.append, StopToken())\n"
        "for item in sorted(found, key=lambda item: item.identifier):\n"
        "    for file in source.read(item.identifier, StopToken()).files:\n"
        "        if file.is_derived: print(hashlib.sha256(open(file.path, 'rb').read()).hexdigest())\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script, produced, tmp_path / str(number)],
            capture_output=True, text=True, check=True, timeout=100, cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
        ).stdout.split()
        for number in (1, 2)
    ]  # fmt: skip
    assert told[0] == told[1]
    assert len(set(told[0])) == len(told[0]) >= 8


def test_running_measurement_is_read_all_the_time_and_never_disturbed(
    quantify_command: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Do no harm, with the real writer at its fastest: no failed write, no false problem, no point lost."""
    root, work = tmp_path / "data", tmp_path / "work"
    root.mkdir()
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    with open(tmp_path / "told", "w") as told, open(tmp_path / "errors", "w") as errors:
        writer = subprocess.Popen(
            quantify_command("live", root, 12, 0.1), stdout=told, stderr=errors, env=environment, cwd=tmp_path
        )
        try:
            source = backend(root, work)
            counts: list[int] = []
            states: set[RunState] = set()
            given_up = reads = 0
            cursor: Any = {}
            while writer.poll() is None:
                for item in look(source).values():
                    states.add(item.run_state)
                    points = source.live(item.identifier, cursor, StopToken())
                    if points is not None:
                        cursor = points.cursor
                        counts.append(points.point_count)
                    try:
                        reads += 1
                        content = source.read_growing(item.identifier, StopToken())
                    except SourceChanged:
                        given_up += 1
                    else:
                        assert content.problems == ()
                time.sleep(0.005)
        finally:
            writer.kill() if writer.poll() is None else None
            writer.wait(60)
    assert writer.returncode == 0, (tmp_path / "errors").read_text()[-2000:]
    result = json.loads((tmp_path / "told").read_text().splitlines()[-1])
    assert result["points"] == result["expected"]
    assert counts == sorted(counts)
    assert len(set(counts)) > 20
    assert RunState.LIVE in states
    assert states <= {RunState.LIVE, RunState.COMPLETE}
    assert reads > 100
    assert given_up <= reads // 50
    (item,) = look(source).values()
    assert item.run_state is RunState.COMPLETE
    points = source.live(item.identifier, {}, StopToken())
    assert points is not None
    assert points.point_count == points.expected_count == result["expected"]


@pytest.mark.parametrize("state", ["broken off"])
def test_broken_off_measurement_is_interrupted(produced: Path, tmp_path: Path, state: str) -> None:
    found = {item.name: item for item in look(backend(produced, tmp_path, interrupted_after=0.0)).values()}
    assert {name for name, item in found.items() if item.run_state is RunState.INTERRUPTED} == {state}
    found = {item.name: item for item in look(backend(produced, tmp_path, interrupted_after=3600.0)).values()}
    assert {name for name, item in found.items() if item.run_state is RunState.LIVE} == {state}


def test_conversion_bytes_do_not_depend_on_the_time(produced: Path, tmp_path: Path) -> None:
    source = backend(produced, tmp_path)
    tuid = min(look(source))

    def digest() -> str:
        (made,) = [file for file in source.read(tuid, StopToken()).files if file.is_derived]
        return hashlib.sha256(Path(made.path).read_bytes()).hexdigest()

    first = digest()
    time.sleep(1.1)
    assert digest() == first
