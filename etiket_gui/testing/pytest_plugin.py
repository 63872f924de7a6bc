"""Loaded by pytest wherever this program is installed: lets a failed promise of a suite show its values."""

from __future__ import annotations

import pytest

#: Modules whose assertions are rewritten, as those of test modules are.
SUITES = ("backend_suite", "converter_suite", "destination_suite", "manifest", "outgoing", "known_datasets")

pytest.register_assert_rewrite(*(f"etiket_gui.testing.{name}" for name in SUITES))
