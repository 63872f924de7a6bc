"""One dataset folder with its own description taken into account: what discovery and reading both look at."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from etiket_gui.backends.folder.description import FILE_NAME, FolderDescription, read_description
from etiket_gui.backends.folder.survey import Survey, Surveyor, is_same_file
from etiket_gui.domain.errors import (
    EtiketError,
    SourceChanged,
    SourceGone,
    SourceOffline,
    SourceUnreadable,
    source_error,
)
from etiket_gui.domain.states import RetryClass
from etiket_gui.domain.stopping import StopToken


@dataclass(frozen=True, slots=True)
class DatasetLook:
    """A survey made with the dataset's own ``skip``; ``problem`` says what is wrong with the description file."""

    survey: Survey
    description: FolderDescription
    problem: EtiketError | None = None


def look_at(surveyor: Surveyor, path: str, stop: StopToken) -> DatasetLook:
    """Describe and survey a dataset folder. Raises OSError when the folder itself cannot be listed."""
    file_path = os.path.join(path, FILE_NAME)
    description = FolderDescription()
    problem: EtiketError | None = None
    status = _status_of_file(file_path)
    if status is not None:
        try:
            description = read_description(file_path, status)
        except EtiketError as error:
            problem = error
    survey = surveyor.survey(path, surveyor.rules.with_skip(description.skip), stop)
    if problem is None and not is_same_file(status, survey.described_by):
        problem = SourceChanged(f"{file_path} changed while it was being read.", path=file_path)
    return DatasetLook(survey, description, problem)


def failure_of(error: OSError, path: str, root: str) -> EtiketError:
    """The known failure for an error met at ``path``: the source is only away when its root does not answer."""
    failure = source_error(error, path)
    if not failure.concerns_all and not isinstance(failure, SourceGone):
        return failure
    try:
        os.stat(root)
    except OSError as why:
        return SourceOffline(f"{root} cannot be reached: {why.strerror or why}.", path=root)
    if not failure.concerns_all:
        return failure
    return SourceUnreadable(
        f"{path} cannot be read: {error.strerror or error}.",
        path=path,
        advice="The disk may be damaged there; the rest of the source goes on.",
        retry_class=RetryClass.SOON,
    )


def _status_of_file(path: str) -> os.stat_result | None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None
