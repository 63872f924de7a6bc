"""Every failure a person may read about: what happened, where, what to do, and when to try again.

Known failures are the environment's (a full disk, a missing folder, a changed file) and become rows; anything that
is not an :class:`EtiketError` is a bug of ours and is reported as one.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any, ClassVar

from etiket_gui.domain import guards
from etiket_gui.domain.states import RetryClass


class EtiketError(Exception):
    """Base of all known failures.

    ``title`` says what happened in a few words, ``reason`` where and why, ``advice`` what to do about it.
    ``due_ns`` is the earliest next try where ``retry_class`` is AT_TIME (ns since 1970 UTC).
    """

    title: ClassVar[str] = "Something went wrong"
    retry_class: RetryClass = RetryClass.SOON
    default_advice: ClassVar[str] = ""
    #: Whether it is the whole destination or source that fails, not this one dataset.
    concerns_all: bool = False

    def __init__(
        self,
        reason: str,
        *,
        advice: str | None = None,
        path: str | None = None,
        retry_class: RetryClass | None = None,
        due_ns: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = self.default_advice if advice is None else advice
        self.path = path
        if retry_class is not None:
            self.retry_class = retry_class
        self.due_ns = due_ns

    @property
    def kind(self) -> str:
        """The name of the failure's class, by which failures are grouped and translated."""
        return type(self).__name__

    def to_json(self) -> dict[str, Any]:
        """What crosses a process boundary; :func:`error_from_json` turns it back."""
        return {
            "kind": self.kind,
            "title": self.title,
            "reason": self.reason,
            "advice": self.advice,
            "path": self.path,
            "retry_class": self.retry_class.value,
            "due_ns": self.due_ns,
            "concerns_all": self.concerns_all,
        }


class UsageError(EtiketError):
    """A command or a configuration asks for something that makes no sense; exit code 2."""

    title = "Wrong use"
    retry_class = RetryClass.ON_USER


class SourceChanged(EtiketError):
    """A file changed between its first and its last byte, or the dataset gained or lost files meanwhile."""

    title = "Still being written"
    retry_class = RetryClass.ON_CHANGE
    default_advice = "Nothing to do: it is sent when it has been quiet for the settle time."


class SourceGone(EtiketError):
    """A dataset or a file of it is no longer there."""

    title = "No longer there"
    retry_class = RetryClass.ON_CHANGE
    default_advice = "What was archived before stays archived."


class SourceOffline(EtiketError):
    """The source as a whole cannot be reached: an unmounted share, an unplugged disk, a server that is off."""

    title = "Source not reachable"
    concerns_all = True
    default_advice = "Nothing is lost. Plug it in or reconnect it; the program goes on by itself."


class SourceUnreadable(EtiketError):
    """The source is there, but this account may not read it or its content makes no sense."""

    title = "Cannot be read"
    retry_class = RetryClass.ON_USER


class SourceEmpty(EtiketError):
    """A source is there, but no dataset was found in it."""

    title = "Nothing found"
    retry_class = RetryClass.ON_CHANGE
    default_advice = "Check the folder and the level of this source (etiket-sync detect FOLDER tells)."


class ManyChanged(EtiketError):
    """So much of a source changed at once that a person is asked before anything of it is sent."""

    title = "Many datasets changed at once"
    retry_class = RetryClass.ON_USER
    default_advice = (
        "If that is meant, say so with: etiket-sync retry (or Retry in the window). "
        "Until then their good versions stay as they are and new datasets go on."
    )


class PermissionRefused(EtiketError):
    """The operating system refuses access."""

    title = "Permission refused"
    retry_class = RetryClass.ON_USER
    default_advice = "Give the account that runs this program the right to read it, then retry."


class FileBusy(EtiketError):
    """Another program holds the file so that nobody else may read it."""

    title = "In use by another program"
    default_advice = "Nothing to do: it is tried again soon."


class UnsafeName(EtiketError):
    """A name that would leave its folder, or that no file system could hold."""

    title = "Unsafe name"
    retry_class = RetryClass.ON_CHANGE
    default_advice = (
        "If the name is yours, change it. Such names are refused on every system, so that nothing is ever written "
        "outside of a dataset's folder."
    )

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"The name {name!r} is refused because {why}.", path=name)


class NameTooLong(EtiketError):
    """A name or path is longer than the destination can hold."""

    title = "Name too long"
    retry_class = RetryClass.ON_CHANGE


class DescriptionBroken(EtiketError):
    """A description file in a dataset (``_QH_dataset_info.yaml``) cannot be understood."""

    title = "Description file is broken"
    retry_class = RetryClass.ON_CHANGE
    default_advice = "Correct the file; it is read again as soon as it changes."


class ConversionFailed(EtiketError):
    """A converter could not make sense of its input; the dataset is sent without the converted file."""

    title = "Could not be converted"
    retry_class = RetryClass.ON_CHANGE
    default_advice = "The original files are archived as they are; only the converted file is missing."


class DestinationOffline(EtiketError):
    """The destination cannot be reached; a state of the destination, never a failed attempt of a dataset."""

    title = "Destination not reachable"
    concerns_all = True
    default_advice = "Nothing is lost: everything waits here and goes on by itself."


class DestinationFull(EtiketError):
    """The destination has no space left, or would fall below the floor that is kept free."""

    title = "Destination is full"
    concerns_all = True
    default_advice = "Make space there; the program goes on by itself."


class DestinationRefused(EtiketError):
    """The destination is there but does not let us do what is needed."""

    title = "Destination refuses"
    retry_class = RetryClass.ON_USER
    concerns_all = True


class DestinationDamaged(EtiketError):
    """What is stored at the destination is not what was put there."""

    title = "Archive damaged"
    retry_class = RetryClass.ON_USER


class SignInNeeded(EtiketError):
    """Credentials are missing, expired or refused; exit code 6."""

    title = "Sign-in needed"
    retry_class = RetryClass.ON_USER
    concerns_all = True


class VerificationFailed(EtiketError):
    """A copy differs from what was read."""

    title = "Copy differs from the original"
    retry_class = RetryClass.SOON
    default_advice = "It is sent again; nothing was overwritten."


class PluginFailed(EtiketError):
    """A plug-in raised on import, hung, or returned rubbish; it is disabled and the rest runs."""

    title = "Plug-in failed"
    retry_class = RetryClass.ON_USER
    concerns_all = True


class WorkerLost(EtiketError):
    """The process that worked on a dataset died or hung."""

    title = "The work was interrupted"
    default_advice = "It is tried again by itself."


class StoreProblem(EtiketError):
    """The tracking store cannot be written just now: its disk is full or another program holds it."""

    title = "Tracking store cannot be written"
    concerns_all = True


class StoreDamaged(StoreProblem):
    """The tracking store's file is damaged; the next start moves it aside and goes on from a backup."""

    title = "Tracking store is damaged"
    retry_class = RetryClass.ON_USER
    default_advice = "Start the program again: it repairs its store from the last backup. What is archived is safe."


class StoreTooNew(EtiketError):
    """The tracking store was written by a newer version of this program; it is left untouched."""

    title = "Tracking store is from a newer version"
    retry_class = RetryClass.ON_USER


class HomeInUse(EtiketError):
    """Another engine owns this home; exit code 5."""

    title = "Already running"
    retry_class = RetryClass.ON_USER


class Stopped(EtiketError):
    """The work was cancelled; not a failure."""

    title = "Stopped"
    retry_class = RetryClass.NOW


class ProgramError(EtiketError):
    """A bug of ours, in words that a person can pass on."""

    title = "A bug in this program"
    retry_class = RetryClass.NEVER
    default_advice = "Please report it with the diagnostics file (etiket-sync export-diagnostics FILE)."


class RemoteError(EtiketError):
    """A failure that another process reported, with the words it gave."""

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__(
            str(value.get("reason", "")),
            advice=str(value.get("advice", "")),
            path=value.get("path"),
            retry_class=RetryClass(value.get("retry_class", RetryClass.NEVER.value)),
            due_ns=value.get("due_ns"),
        )
        self._kind = str(value.get("kind", "RemoteError"))
        self.remote_title = str(value.get("title", self.title))
        self.concerns_all = bool(value.get("concerns_all", False))

    @property
    def kind(self) -> str:
        """The class name the other process gave."""
        return self._kind


def error_from_json(value: dict[str, Any]) -> EtiketError:
    """The failure another process reported, as the class of that name where there is one."""
    known = _KNOWN.get(str(value.get("kind")))
    if known is None:
        return RemoteError(value)
    error = known.__new__(known)
    EtiketError.__init__(
        error,
        str(value.get("reason", "")),
        advice=str(value.get("advice", "")),
        path=value.get("path"),
        retry_class=RetryClass(value["retry_class"]) if value.get("retry_class") else None,
        due_ns=value.get("due_ns"),
    )
    error.concerns_all = bool(value.get("concerns_all", known.concerns_all))
    return error


def in_one(errors: Sequence[EtiketError]) -> EtiketError:
    """Several failures of one dataset as one row: the first, and how many more there are."""
    first = errors[0]
    if len(errors) > 1:
        first.reason = f"{first.reason} And {len(errors) - 1} more like it."
    return first


_SOURCE_GONE = {errno.ENOENT, errno.ENOTDIR}
_OFFLINE = {
    getattr(errno, name)
    for name in ("ESTALE", "EIO", "ENODEV", "ENXIO", "EHOSTDOWN", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN",
                 "ETIMEDOUT", "ENOTCONN", "ECONNRESET", "ECONNREFUSED", "EREMOTEIO", "ENOMEDIUM")
    if hasattr(errno, name)
}  # fmt: skip
_REFUSED = {errno.EACCES, errno.EPERM}
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_SHARING_VIOLATION = 32
_LOCK_VIOLATION = 33


def source_error(error: OSError, path: str) -> EtiketError:
    """The known failure for an operating-system error met while reading a source."""
    is_busy = getattr(error, "winerror", None) in {_SHARING_VIOLATION, _LOCK_VIOLATION} or error.errno == errno.EBUSY
    if is_busy and guards.is_on("busy-is-known"):
        return FileBusy(f"{path} is held by another program.", path=path)
    if error.errno in _SOURCE_GONE:
        return SourceGone(f"{path} is no longer there.", path=path)
    if error.errno in _REFUSED:
        return PermissionRefused(f"{path} may not be read by this account.", path=path)
    if error.errno in _OFFLINE:
        return SourceOffline(f"{path} cannot be reached: {error.strerror}.", path=path)
    if error.errno == errno.ELOOP:
        return SourceChanged(f"{path} became a symbolic link.", path=path)
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
        return WorkerLost(f"The machine is out of resources while reading {path}: {error.strerror}.", path=path)
    return SourceUnreadable(f"{path} cannot be read: {error.strerror or error}.", path=path)


def destination_error(error: OSError, path: str) -> EtiketError:
    """The known failure for an operating-system error met while writing a destination."""
    if error.errno in _FULL:
        return DestinationFull(f"No space left for {path}.", path=path)
    if error.errno in _REFUSED or error.errno == errno.EROFS:
        return DestinationRefused(
            f"{path} may not be written by this account: {error.strerror}.",
            path=path,
            advice="Give the account that runs this program the right to create, rename and write there.",
        )
    if error.errno == errno.EXDEV and guards.is_on("one-disk-per-archive"):
        return DestinationRefused(
            f"A part of {path} lies on another disk, so a dataset cannot appear there all at once.",
            path=path,
            advice="Mount the disk at the archive's own folder, not at one inside it, or use another archive folder.",
        )
    if error.errno == errno.ENAMETOOLONG:
        return NameTooLong(f"{path} is longer than the destination can hold.", path=path)
    if error.errno in _SOURCE_GONE | _OFFLINE:
        return DestinationOffline(f"{path} cannot be reached: {error.strerror}.", path=path)
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
        return WorkerLost(f"The machine is out of resources while writing {path}: {error.strerror}.", path=path)
    return DestinationOffline(f"{path} cannot be written: {error.strerror or error}.", path=path)


def _subclasses(base: type[EtiketError]) -> list[type[EtiketError]]:
    found = []
    for child in base.__subclasses__():
        found.append(child)
        found.extend(_subclasses(child))
    return found


_KNOWN = {known.__name__: known for known in _subclasses(EtiketError) if known is not RemoteError}
