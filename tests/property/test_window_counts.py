"""Whatever is in the store: cards, chips, table, tray, badge and command line count the same."""

from __future__ import annotations

from contextlib import closing

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from etiket_gui.bridge.queries import open_for_reading
from etiket_gui.bridge.queries_datasets import TableQuestion, dataset_ids, dataset_lines
from etiket_gui.bridge.queries_pages import overview, problem_groups, state_counts
from etiket_gui.bridge.queries_shell import shell_facts
from etiket_gui.domain.errors import ConversionFailed, DestinationOffline, SourceOffline
from etiket_gui.domain.states import DestinationState, RunState, SourceState
from etiket_gui.gui.models.dataset_texts import is_measuring
from etiket_gui.gui.pages.dataset_filters import FILTERS, chip_number
from etiket_gui.store import quick
from etiket_gui.store.writer_problems import flaw_key
from tests.property.test_store_counts import StoreMachine, _names, _some_names, _sources


class WindowMachine(StoreMachine):
    """The same store, with running measurements, sources switched off, places that are away, and flaws."""

    @rule(source_id=_sources, names=_some_names, run_state=st.sampled_from(RunState), is_quiet=st.booleans())
    def measure(self, source_id: int, names: list[str], run_state: RunState, is_quiet: bool) -> None:
        items = [self.bench.item(name, 2, run_state=run_state) for name in names]
        self.bench.find(*items, source=self.bench.writer.source(source_id))
        if is_quiet:
            self.settle(source_id, names, 2)
        else:
            self.unsettle(source_id, names)

    @rule(source_id=_sources, is_on=st.booleans())
    def switch(self, source_id: int, is_on: bool) -> None:
        self.bench.writer.edit_source(source_id, is_enabled=is_on)

    @rule(source_id=_sources, state=st.sampled_from(SourceState))
    def source_is(self, source_id: int, state: SourceState) -> None:
        self.bench.writer.set_source_state(source_id, state, "")
        key = f"source:{source_id}"
        if state is SourceState.OFFLINE:
            self.bench.writer.open_problem("source", key, SourceOffline("away"), source_id=source_id)
        else:
            self.bench.writer.close_problem(key)

    @rule(is_away=st.booleans())
    def destination_is(self, is_away: bool) -> None:
        state = DestinationState.OFFLINE if is_away else DestinationState.OK
        self.bench.writer.set_destination_state(1, state, "")
        if is_away:
            self.bench.writer.open_problem("destination", "destination:1", DestinationOffline("away"), destination_id=1)
        else:
            self.bench.writer.close_problem("destination:1")

    @rule(source_id=_sources, name=_names)
    def is_flawed(self, source_id: int, name: str) -> None:
        for dataset_id in self._ids(source_id, [name]):
            self.bench.writer.open_problem(
                "item", flaw_key(dataset_id), ConversionFailed("no"), source_id=source_id, dataset_id=dataset_id
            )

    @invariant()
    def everybody_counts_the_same(self) -> None:
        told = quick.status(self.bench.path)
        listed = quick.problems(self.bench.path)
        with closing(open_for_reading(self.bench.path)) as connection:
            connection.execute("BEGIN")
            shown = overview(connection)
            facts = shell_facts(connection)
            groups = problem_groups(connection)
            assert [source.name for source in shown.sources] == [source["name"] for source in told["sources"]]
            for source, row in zip(shown.sources, told["sources"], strict=True):
                assert {**dict.fromkeys(row["counts"], 0), **source.counts} == row["counts"]
                assert (source.found, source.not_archived) == (row["total"], row["not_archived"])
                assert source.found == (
                    source.waiting + source.live + source.archived + source.failed + source.ignored
                ), "the figures of a card add up"
                assert source.problems == sum(
                    problem.source_id == source.id for group in groups for problem in group.problems
                )
            for place, row in zip(shown.destinations, told["destinations"], strict=True):
                assert (place.archived, place.not_archived) == (row["counts"]["archived"], row["not_archived"])
            for source_id in (None, *(source.id for source in shown.sources)):
                counts = state_counts(connection, source_id)
                numbers = {chip.key: chip_number(chip, counts) for chip in FILTERS}
                of = frozenset() if source_id is None else frozenset({source_id})
                for chip in FILTERS:
                    question = TableQuestion(states=chip.states, run_states=chip.run_states, source_ids=of)
                    ids = dataset_ids(connection, question)
                    assert len(ids) == numbers[chip.key], f"the chip {chip.key} says how many rows it shows"
                    lines = dataset_lines(connection, ids).values()
                    assert chip.key == "all" or all(is_measuring(line) == (chip.key == "live") for line in lines)
                assert numbers["all"] == sum(numbers[key] for key in numbers if key not in {"all", "gone"})
                mine = [source for source in shown.sources if source_id in {None, source.id}]
                assert numbers["live"] == sum(source.live for source in mine)
                assert numbers["waiting"] + numbers["sending"] == sum(source.waiting for source in mine)
                assert numbers["all"] == sum(source.found for source in mine)
        count = sum(len(group.problems) for group in groups)
        assert count == len(listed) == told["problems"] == shown.problems == facts.problem_count
        assert facts.pressing_count <= count
        assert sum(place.count for place in facts.by_place) == facts.pressing_count


WindowMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestWindowCounts = WindowMachine.TestCase
