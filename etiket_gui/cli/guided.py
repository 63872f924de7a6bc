"""The guided first use: two questions, what was found, a summary, and only then the work."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etiket_gui.backends.api import Recognition
from etiket_gui.cli.configuring import add_destination, add_source, assignments, recognised
from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.output import as_typed_here, count_text, size_text, terminal_columns
from etiket_gui.cli.running import is_configured, run_engine
from etiket_gui.cli.session import Session
from etiket_gui.domain.errors import EtiketError, StoreDamaged, UsageError
from etiket_gui.domain.names import display, to_portable

#: Below this a recognition is a guess, and a person is asked how deep the datasets lie.
_SURE = 0.4
_DEEPEST_EXAMPLE = 3
_MOST_LOOKS = 2000


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person answered: which folder, how it is read, and where the archive is to be."""

    folder: str
    recognition: Recognition
    level: int | None
    archive: str


class Dialogue:
    """Asks on the terminal; an end of input counts as Ctrl-C."""

    def __init__(self, session: Session, read_line: Callable[[str], str] | None = None) -> None:
        self._session = session
        self._read_line = read_line or input

    def say(self, text: str = "") -> None:
        """Print one paragraph, broken between words where it is wider than the terminal."""
        output = self._session.output
        indent = text[: len(text) - len(text.lstrip())]
        width = terminal_columns(output.out)
        if len(text) < width or not output.is_terminal:
            output.line(text)
            return
        for line in textwrap.wrap(
            text, width - 1, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ):
            output.line(line)

    def ask(self, question: str, default: str = "") -> str:
        """The answer to a question, or its default for an empty line."""
        self.say(question)
        prompt = f"  [{default}] " if default else "  > "
        try:
            answer = self._read_line(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            self.say()
            raise KeyboardInterrupt from None
        return answer or default

    def confirm(self, question: str) -> bool:
        """Whether the person says yes, which an empty line does."""
        while True:
            match self.ask(f"{question} [Y/n]").lower():
                case "" | "y" | "yes":
                    return True
                case "n" | "no":
                    return False


def first_use(session: Session) -> int:
    """Ask for a folder and an archive, show what that means, and after a yes add both and run once."""
    dialogue = Dialogue(session)
    if is_configured(session):
        return _go_on(session, dialogue)
    dialogue.say("etiket-sync brings every measurement of this computer, verified, to an archive.")
    dialogue.say("Where they lie, nothing is ever changed or deleted. Ctrl-C ends this at any time.")
    dialogue.say()
    with path_completion():
        answers = ask_all(session, dialogue)
    if answers is None:
        dialogue.say("Nothing was set up.")
        return ExitCode.OK
    _set_up(session, answers)
    dialogue.say()
    code = run_engine(session, is_once=True)
    dialogue.say()
    _tell_how_to_go_on(dialogue)
    return code


def _go_on(session: Session, dialogue: Dialogue) -> int:
    from etiket_gui.cli.looking import tell_status

    try:
        tell_status(session)
    except StoreDamaged as error:
        session.output.error(error)
    dialogue.say()
    if not dialogue.confirm("Look for new measurements and archive them now?"):
        _tell_how_to_go_on(dialogue)
        return ExitCode.OK
    session.close()
    return run_engine(session, is_once=True)


def ask_all(session: Session, dialogue: Dialogue) -> Answers | None:
    """Ask until the answers make sense; None when the person does not want to begin."""
    folder, recognition = _ask_folder(dialogue)
    level = _ask_level(dialogue, folder, recognition)
    archive, free_bytes = _ask_archive(session, dialogue, folder)
    dialogue.say()
    number = recognition.dataset_count if level is None else count_at(folder, level)
    count = count_text(number, "dataset") if number else "the datasets"
    dialogue.say(f"  {count} in  {shown_path(folder)}")
    dialogue.say(f"  → copied to and verified in  {shown_path(archive)}  ({size_text(free_bytes)} free)")
    dialogue.say()
    if not dialogue.confirm("Begin?"):
        return None
    return Answers(folder, recognition, level, archive)


def _ask_folder(dialogue: Dialogue) -> tuple[str, Recognition]:
    while True:
        text = dialogue.ask("Which folder holds the measurements?")
        if not text:
            continue
        folder = absolute(text)
        try:
            if not os.path.isdir(folder):
                what = "is a file; name the folder that holds it" if os.path.exists(folder) else "does not exist"
                raise UsageError(f"{shown_path(folder)} {what}.")
            answer = recognised(Path(folder))
        except EtiketError as error:
            dialogue.say(f"  {error.reason}")
            continue
        usable = [item for item in answer.recognitions if item.options]
        dialogue.say(f"  {answer.sentence}")
        for note in answer.notes:
            dialogue.say(f"  {note}")
        if not usable:
            continue
        for warning in usable[0].warnings:
            dialogue.say(f"  {warning}")
        return folder, _choice(dialogue, usable)


def _choice(dialogue: Dialogue, usable: Sequence[Recognition]) -> Recognition:
    """The likeliest recognition, unless a second one is nearly as likely: then the person chooses."""
    near = [item for item in usable if usable[0].confidence - item.confidence < 0.1]
    if len(near) == 1:
        return usable[0]
    for number, item in enumerate(near, start=1):
        dialogue.say(f"  {number}: {item.backend}: {item.sentence}")
    while True:
        answer = dialogue.ask("Which of these is it?", "1")
        if answer.isdecimal() and 1 <= int(answer) <= len(near):
            return near[int(answer) - 1]


def _ask_level(dialogue: Dialogue, folder: str, recognition: Recognition) -> int | None:
    """How deep the datasets lie, asked only where it was a guess; None keeps what was recognised."""
    guess = recognition.options.get("level")
    if not isinstance(guess, int) or recognition.confidence >= _SURE:
        return None
    dialogue.say()
    dialogue.say("How deep the datasets lie is a guess here. One dataset is:")
    dialogue.say(f"   0   the folder itself: {shown_path(folder)}")
    for level, example in enumerate(examples(folder), start=1):
        dialogue.say(f"  {level:>2}   each folder like: {shown_path(example)}")
    dialogue.say("  -1   each folder with a file _QH_dataset_info.yaml")
    while True:
        answer = dialogue.ask("Which?", str(guess))
        try:
            level = int(answer)
        except ValueError:
            continue
        if -1 <= level <= 64:
            return None if level == guess else level


def examples(folder: str) -> list[str]:
    """One folder at each depth below, the first in order of names, as far as there are any."""
    found = []
    for _ in range(_DEEPEST_EXAMPLE):
        try:
            with os.scandir(folder) as entries:
                names = sorted(
                    entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."
                )
        except OSError:
            break
        if not names:
            break
        folder = os.path.join(folder, names[0])
        found.append(folder)
    return found


def count_at(folder: str, level: int) -> int | None:
    """How many folders there are at a depth below; None where that is not told by a short look."""
    if level < 0:
        return None
    folders, looked = [folder], 0
    for _ in range(level):
        below: list[str] = []
        for above in folders:
            looked += 1
            if looked > _MOST_LOOKS:
                return None
            with contextlib.suppress(OSError), os.scandir(above) as entries:
                below.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        folders = below
    return len(folders)


def _ask_archive(session: Session, dialogue: Dialogue, folder: str) -> tuple[str, int]:
    from etiket_gui.settings.configuration_rules import Place, check_places_apart

    suggestion = os.path.join(os.path.expanduser("~"), "etiket-archive")
    source = Place("source", "of the measurements", folder)
    while True:
        dialogue.say()
        archive = absolute(dialogue.ask("Where is the archive to be? A folder on another disk is best.", suggestion))
        try:
            check_places_apart([Place("destination", "archive", archive)], [source], follows_links=True)
            _check_archive(session, archive)
            return archive, shutil.disk_usage(os.path.dirname(archive)).free
        except (EtiketError, OSError) as error:
            dialogue.say(f"  {error.reason if isinstance(error, EtiketError) else error}")


def _check_archive(session: Session, archive: str) -> None:
    """Raise UsageError when that folder cannot become an archive; nothing is made yet."""
    if os.path.lexists(archive) and not os.path.isdir(archive):
        raise UsageError(f"{shown_path(archive)} is a file.")
    if os.path.isdir(archive):
        if os.listdir(archive):
            for problem in session.destination("archive", "", {"path": archive}).probe().problems:
                raise problem
    elif not os.path.isdir(os.path.dirname(archive)):
        raise UsageError(f"{shown_path(os.path.dirname(archive))} does not exist; make it first or name another.")


def _set_up(session: Session, answers: Answers) -> None:
    destination, source = "archive", _source_name(answers.folder)
    present = session.reader().destinations() if session.has_store else ()
    known = next((row.name for row in present if row.config.get("path") == answers.archive), None)
    session.close()
    if known is None:
        names = {row.name for row in present}
        destination = next(
            name for name in (destination, *(f"{destination}-{number}" for number in range(2, 99))) if name not in names
        )
        add_destination(session, "archive", destination, [f"path={answers.archive}"])
    else:
        destination = known
    options = dict(answers.recognition.options)
    if answers.level is not None:
        options["level"] = answers.level
    session.close()
    add_source(session, answers.recognition.backend, source, assignments(options), wanted_routes=[destination])
    session.close()


def _source_name(folder: str) -> str:
    """A name for a source made from its folder's name."""
    name = "".join(char if char.isalnum() or char in " ._-" else "-" for char in os.path.basename(folder))
    return name.strip(" .-_")[:60] or "measurements"


def _tell_how_to_go_on(dialogue: Dialogue) -> None:
    dialogue.say("How to go on:")
    for command, does in (
        ("etiket-sync run", "archive whatever is measured from now on, until Ctrl-C"),
        ("etiket-sync status", "how much is archived, and what is not"),
        ("etiket-sync datasets", "every dataset and where it is"),
        ("etiket-sync restore NAME --to DIR", "get one back"),
        ("etiket-sync --help", "everything else"),
    ):
        dialogue.say(f"  {as_typed_here(command):<36} {does}")


def absolute(text: str) -> str:
    """The path a person typed or dragged onto the terminal, absolute."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return os.path.abspath(os.path.expanduser(text))


def shown_path(path: str) -> str:
    """A path for the screen."""
    return display(to_portable(path))


@contextlib.contextmanager
def path_completion() -> Iterator[None]:
    """Inside, the tab key completes paths where the terminal can do that."""
    if sys.platform == "win32":
        yield
        return
    try:
        import readline
    except ImportError:
        yield
        return

    def complete(text: str, state: int) -> str | None:
        folder, start = os.path.split(os.path.expanduser(text))
        try:
            with os.scandir(folder or ".") as entries:
                names = sorted(entry.name + os.sep for entry in entries if entry.is_dir())
        except OSError:
            return None
        fitting = [os.path.join(folder, name) for name in names if name.startswith(start)]
        return fitting[state] if state < len(fitting) else None

    before, delimiters = readline.get_completer(), readline.get_completer_delims()
    readline.set_completer(complete)
    readline.set_completer_delims("\n")
    readline.parse_and_bind("bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete")
    try:
        yield
    finally:
        readline.set_completer(before)
        readline.set_completer_delims(delimiters)
