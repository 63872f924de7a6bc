"""The job "recognise": what dropped or chosen things are, each as something to add or as a sentence that refuses it."""

from __future__ import annotations

import collections
import os
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etiket_gui.backends.api import Backend, Recognition
from etiket_gui.backends.recognise import recognise
from etiket_gui.backends.registry import registry
from etiket_gui.domain import guards
from etiket_gui.domain.errors import Stopped, UsageError
from etiket_gui.domain.names import display, to_portable
from etiket_gui.domain.stopping import StopToken
from etiket_gui.settings.configuration_rules import Place, check_places_apart
from etiket_gui.worker.desk.configured import present_places
from etiket_gui.worker.desk.destinations import default_archive_folder
from etiket_gui.worker.desk.job import DeskJob
from etiket_gui.worker.desk.plugins import suggested_name, why_not_readable

#: So many things are looked at one by one; more files of one folder are answered with that folder.
MOST_PATHS = 40
_LOOKS_AT_ONCE = 4
#: A place that does not answer for so long is on a disk or share that hangs.
_ANSWER_WITHIN_S = 6.0
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")


@dataclass(frozen=True, slots=True)
class _Context:
    backends: Sequence[type[Backend]]
    places: Sequence[Place]


def recognise_paths(job: DeskJob) -> dict[str, Any]:
    """What each of ``paths`` (paths of this machine, or URLs) is; tells each answer as soon as it is there.

    An answer has ``path``, ``sentence``, ``refusal`` (empty when it can be added), ``recognised`` (best first),
    ``notes`` and ``name``. ``archive_folder`` is where an archive could be made, if there is none yet.
    """
    asked = job.parameters.get("paths")
    if not isinstance(asked, list):
        raise UsageError("The job recognise needs a list of paths.")
    wanted = list(dict.fromkeys(str(item) for item in asked))
    if not wanted:
        answers = [_refused("", "Nothing was dropped that has a place on this computer.")]
        return {"answers": answers, "archive_folder": ""}
    wanted, summed_up = _few(wanted)
    context = _Context(registry().usable(), present_places(job.home))
    answers = []
    for begin in range(0, len(wanted), _LOOKS_AT_ONCE):
        job.stop.check()
        running = [(text, _in_a_thread(text, context, job.stop)) for text in wanted[begin : begin + _LOOKS_AT_ONCE]]
        for text, future in running:
            answer = _awaited(text, future)
            if text in summed_up:
                answer["notes"] = [summed_up[text], *answer["notes"]]
            answers.append(answer)
            job.tell({"answer": answer})
    return {"answers": answers, "archive_folder": str(default_archive_folder())}


def _few(wanted: list[str]) -> tuple[list[str], dict[str, str]]:
    """At most so many things to look at; where there are more, folders stand for the files in them."""
    if len(wanted) <= MOST_PATHS or not guards.is_on("drops-are-bounded"):
        return wanted, {}
    by_folder = collections.Counter(os.path.dirname(text.rstrip("/")) or text for text in wanted)
    notes = {
        folder: f"{count} things were dropped from this folder, so the folder itself is looked at."
        for folder, count in by_folder.items()
    }
    folders = list(by_folder)
    if len(folders) > MOST_PATHS:
        left = len(folders) - MOST_PATHS
        folders = folders[:MOST_PATHS]
        notes[folders[-1]] += f" {left} more folders were left out; drop them on their own, or the folder above them."
    return folders, notes


def _in_a_thread(text: str, context: _Context, stop: StopToken) -> Future[dict[str, Any]]:
    """A look in a thread of its own: one at a dead share never comes back, and nobody may wait for it."""
    future: Future[dict[str, Any]] = Future()

    def run() -> None:
        try:
            future.set_result(_looked_at(text, context, stop))
        except Stopped as error:
            future.set_exception(error)
        except OSError as error:
            future.set_result(_refused(text, f"{_shown(text)} cannot be read: {error.strerror or error}."))

    threading.Thread(target=run, name="recognise", daemon=True).start()
    return future


def _awaited(text: str, future: Future[dict[str, Any]]) -> dict[str, Any]:
    try:
        return future.result(_ANSWER_WITHIN_S if guards.is_on("dead-shares-are-left") else None)
    except TimeoutError:
        return _refused(
            text, f"{_shown(text)} does not answer. Its disk or share may be away; drop it again when it is back."
        )


def _looked_at(text: str, context: _Context, stop: StopToken) -> dict[str, Any]:
    path_text = _local_path(text)
    if path_text is None:
        scheme = urllib.parse.urlsplit(text).scheme
        return _refused(
            text,
            f"{_shown(text)} is an address of the kind {scheme!r}, not a place on this computer. Drop the folder "
            "itself, or mount the share first.",
        )
    if not os.path.isabs(path_text):
        return _refused(text, f"{_shown(path_text)} is not the whole path of a file or folder.")
    path_text = os.path.normpath(path_text)
    sentence = _why_refused(path_text, context.places)
    if sentence:
        return _refused(path_text, sentence)
    answer = recognise(Path(path_text), context.backends, stop)
    titles = {kind.identifier: kind.title for kind in context.backends}
    usable = [_as_json(item, titles) for item in answer.recognitions if item.options]
    refusal = "" if usable else answer.sentence
    for item in usable[:1]:
        refusal = _overlap(item["options"], context.places)
    return {
        "path": to_portable(path_text),
        "sentence": answer.sentence,
        "refusal": refusal,
        "is_archive": answer.is_archive,
        "recognised": [] if refusal else usable,
        "notes": list(answer.notes),
        "name": suggested_name(to_portable(path_text), "lab"),
    }


def _why_refused(path: str, places: Sequence[Place]) -> str:
    """What keeps a path from being looked into at all."""
    shown = _shown(path)
    if not os.path.lexists(path):
        return f"There is nothing at {shown}."
    if os.path.islink(path) and not os.path.exists(path):
        return f"{shown} is a link that leads nowhere."
    sentence = why_not_readable(path) if os.path.isdir(path) or os.path.isfile(path) else ""
    if sentence:
        return sentence
    if not os.path.isdir(path) and not os.path.isfile(path):
        return f"{shown} is neither a file nor a folder."
    if os.path.isfile(path) and path.lower().endswith(_PACKED):
        return f"{shown} is a packed file. Unpack it, and drop the folder that comes out of it."
    return _clash(path, places)


def _clash(path: str, places: Sequence[Place]) -> str:
    if not guards.is_on("drops-are-checked"):
        return ""
    try:
        check_places_apart([Place("source", "", path)], places, follows_links=True)
    except UsageError as error:
        return error.reason
    return ""


def _overlap(options: Mapping[str, Any], places: Sequence[Place]) -> str:
    """What was recognised may lie elsewhere than what was dropped: the database behind a dropped file, say."""
    from etiket_gui.settings.configuration_rules import places_of

    for place in places_of("source", "", options):
        sentence = _clash(place.path, places)
        if sentence:
            return sentence
    return ""


def _as_json(item: Recognition, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "backend": item.backend,
        "title": titles.get(item.backend, item.backend),
        "sentence": item.sentence,
        "options": json_options(item.options),
        "confidence": item.confidence,
        "dataset_count": item.dataset_count,
        "warnings": list(item.warnings),
    }


def json_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Recognised options as JSON values."""
    return {key: str(value) if isinstance(value, os.PathLike) else value for key, value in options.items()}


def _refused(path: str, sentence: str) -> dict[str, Any]:
    return {
        "path": to_portable(path),
        "sentence": sentence,
        "refusal": sentence,
        "is_archive": False,
        "recognised": [],
        "notes": [],
        "name": "",
    }


def _local_path(text: str) -> str | None:
    """The path that a dropped text names, None for an address of something elsewhere."""
    scheme, colon, _ = text.partition("://")
    if not colon or not scheme.isalpha():
        return text
    if scheme.lower() != "file":
        return None
    parts = urllib.parse.urlsplit(text)
    if parts.netloc not in {"", "localhost"}:
        return f"//{parts.netloc}{urllib.parse.unquote(parts.path)}" if os.name == "nt" else None
    path = urllib.parse.unquote(parts.path)
    return path.lstrip("/") if os.name == "nt" else path


def _shown(path: str) -> str:
    return display(to_portable(path))
