"""A fence around each call of a backend: whatever a plug-in raises there is the known failure of that one dataset."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from etiket_gui.backends.api import Backend
from etiket_gui.domain import guards
from etiket_gui.domain.content import Content, Description, SourceFile
from etiket_gui.domain.errors import EtiketError, SourceUnreadable
from etiket_gui.domain.states import RetryClass

log = logging.getLogger(__name__)

_ADVICE = (
    "The rest of the source goes on, and it is tried again by itself. If it stays so, show the program's log to the "
    "author of that backend."
)


class BackendRaised(SourceUnreadable):
    """A backend raised what no backend may raise, or gave what is no content: a bug of it, met at one dataset."""

    title = "The backend failed at this dataset"
    # What a plug-in meets is often over soon, such as a want of memory; a bug costs one reading in 15 minutes.
    retry_class = RetryClass.SOON
    default_advice = _ADVICE


@contextmanager
def fenced(backend: Backend, identifier: str, work: str) -> Iterator[None]:
    """Around a call of a backend for one dataset. Raises EtiketError alone: what else comes out is BackendRaised.

    ``work`` is what it was to do, such as "read".
    """
    try:
        yield
    except EtiketError:
        raise
    except BaseException as error:
        # Also SystemExit and what libraries made with other languages raise beside Exception: they would end the lane.
        if not guards.is_on("backends-are-fenced"):
            raise
        log.exception("The backend %s raised while it was to %s %s.", backend.identifier, work, identifier)
        detail = f"{type(error).__name__}: {error}".rstrip(": ")
        raise BackendRaised(
            f"The backend {backend.identifier!r} could not {work} {identifier}: {detail}.", path=identifier
        ) from error


def check_content(content: object) -> Content:
    """The content, if it is one that can be sent. Raises TypeError and ValueError, in words."""
    if not isinstance(content, Content):
        raise TypeError(f"it gave {content!r:.80} and no Content")
    for file in content.files:
        if not isinstance(file, SourceFile):
            raise TypeError(f"among its files is {file!r:.80}")
    check_description(content.description)
    return content


def check_description(description: object) -> Description:
    """The description, if it is one that can be stored. Raises TypeError and ValueError, in words."""
    if not isinstance(description, Description):
        raise TypeError(f"its description is {description!r:.80} and no Description")
    json.dumps(description.to_json())
    return description
