"""The exit codes of the command line, and which failure ends a command with which of them."""

from __future__ import annotations

from enum import IntEnum

from etiket_gui.domain.errors import EtiketError
from etiket_gui.domain.states import RetryClass


class ExitCode(IntEnum):
    """What a script may rely on."""

    OK = 0
    BUG = 1
    WRONG_USE = 2
    NOT_ALL_ARCHIVED = 3
    DIFFERENCE = 4
    HOME_IN_USE = 5
    SIGN_IN_NEEDED = 6
    INTERRUPTED = 130


_BY_KIND = {
    "UsageError": ExitCode.WRONG_USE,
    "StoreTooNew": ExitCode.WRONG_USE,
    "HomeInUse": ExitCode.HOME_IN_USE,
    "SignInNeeded": ExitCode.SIGN_IN_NEEDED,
    "VerificationFailed": ExitCode.DIFFERENCE,
    "DestinationDamaged": ExitCode.DIFFERENCE,
    "Stopped": ExitCode.INTERRUPTED,
    "ProgramError": ExitCode.BUG,
}


def exit_code_of(error: EtiketError) -> ExitCode:
    """The exit code of a known failure: 3 where time alone may help, 2 where a person has to change something."""
    known = _BY_KIND.get(error.kind)
    if known is not None:
        return known
    if error.retry_class in {RetryClass.NOW, RetryClass.SOON, RetryClass.AT_TIME, RetryClass.ON_CHANGE}:
        return ExitCode.NOT_ALL_ARCHIVED
    return ExitCode.WRONG_USE
