"""``restore --as FORM FILE``: archived datasets put together again in the form of the program that measured them."""

from __future__ import annotations

import os
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from etiket_gui.cli.exit_codes import ExitCode
from etiket_gui.cli.output import count_text, quoted
from etiket_gui.cli.session import Session
from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.stopping import StopToken

FORMS = ("qcodes-db",)


def check_form(arguments: Namespace) -> None:
    """Refuse what does not fit together. Raises UsageError."""
    if arguments.form is None:
        if arguments.to is None:
            raise UsageError("Where to? Add --to DIR.", advice="etiket-sync restore DATASET --to DIR")
        if len(arguments.dataset) > 1:
            raise UsageError("One dataset at a time is restored into a folder.", advice="Repeat the command for each.")
        return
    form, _ = arguments.form
    if form not in FORMS:
        raise UsageError(f"There is no form {form!r}; there is: {', '.join(FORMS)}.")
    if arguments.to is not None or arguments.link:
        raise UsageError("--as makes one file; --to and --link are for folders.")


def restore_as(
    session: Session, arguments: Namespace, fetch: Callable[[str, Path, StopToken], None], stop: StopToken
) -> int:
    """Fetch every dataset into a folder of its own and make one file of them all."""
    from etiket_gui.backends.qcodes.rebuilding import rebuild_database

    target = Path(os.path.abspath(os.path.expanduser(arguments.form[1])))
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already, and nothing is overwritten.", advice="Name another file.")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no folder.", advice="Make it first.")
    scratch = Path(tempfile.mkdtemp(prefix=".etiket-gui-restore-", dir=target.parent))
    try:
        folders = _fetched(arguments.dataset, scratch, fetch, stop)
        made = rebuild_database(target, folders, stop)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if session.output.is_json:
        session.output.json({"file": made.path, "runs": made.run_count, "notes": list(made.notes)})
        return ExitCode.OK
    session.output.line(f"{quoted(made.path)} is a QCoDeS database with {count_text(made.run_count, 'run')}.")
    for note in made.notes:
        session.output.message(f"Note: {note}")
    return ExitCode.OK


def _fetched(
    datasets: Sequence[str], scratch: Path, fetch: Callable[[str, Path, StopToken], None], stop: StopToken
) -> list[Path]:
    folders = []
    for number, dataset in enumerate(datasets):
        stop.check()
        folder = scratch / str(number)
        fetch(dataset, folder, stop)
        folders.append(folder)
    return folders
