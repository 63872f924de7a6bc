"""Names for the checks that keep data safe, so that tests can switch one off and see a test turn red.

A guard is always on outside the tests. ``ETIKET_GUI_TEST_GUARDS_OFF`` (comma separated names) switches guards off in
a process and, being an environment variable, in its workers too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "ETIKET_GUI_TEST_GUARDS_OFF"

_off: frozenset[str] = frozenset(filter(None, os.environ.get(VARIABLE, "").split(",")))


def is_on(name: str) -> bool:
    """Whether the check of that name is to be made."""
    return name not in _off


@contextmanager
def switched_off(name: str) -> Iterator[None]:
    """For tests: the guard is off in this process, and in processes started meanwhile."""
    global _off
    before, before_variable = _off, os.environ.get(VARIABLE)
    _off = before | {name}
    os.environ[VARIABLE] = ",".join(sorted(_off))
    try:
        yield
    finally:
        _off = before
        if before_variable is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before_variable
