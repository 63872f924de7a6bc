"""A running engine goes by changed settings as soon as it is told to read them again."""

from __future__ import annotations

import threading

import pytest

from etiket_gui.domain.commands import ReloadSettings
from etiket_gui.engine.service import Engine
from etiket_gui.settings.home import Home
from etiket_gui.settings.settings import Settings, save_settings


@pytest.fixture
def engine(home_folder: object) -> Engine:
    return Engine(Home.locate(), Settings(worker_count=1), has_low_priority=False)


def test_limits_hold_without_a_new_start(engine: Engine) -> None:
    home = Home.locate()
    home.prepare()
    engine.start()
    thread = threading.Thread(target=engine.run)
    thread.start()
    try:
        save_settings(home, Settings(worker_count=2, rate_limit_bytes_per_s=5e6, safe_within_s=600, prove_every_s=7200))
        assert engine.ask(ReloadSettings()).is_ok
        desk = engine.coordinator.desk
        assert (desk.budget.worker_count, desk.budget.rate_bytes_per_s, desk.budget.safe_within_s) == (2, 5e6, 600)
        assert desk.settings.prove_every_s == 7200
    finally:
        engine.request_stop()
        thread.join()
        engine.stop()
