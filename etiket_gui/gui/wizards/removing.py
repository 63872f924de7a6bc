"""Asks before a source or a destination is forgotten, and says what stays."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget

from etiket_gui.bridge.queries_wizards import DestinationSetup, SourceSetup, destination_setup, source_setup
from etiket_gui.domain.commands import Command, RemoveDestination, RemoveSource, Reply
from etiket_gui.domain.errors import EtiketError, UsageError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.questions import ask, tell
from etiket_gui.gui.sentences import datasets_text
from etiket_gui.gui.wizards.adding import failure_of


def _words(text: str) -> str:
    return QCoreApplication.translate("removing", text)


def remove_source(desk: Desk, parent: QWidget, source_id: int) -> None:
    """Ask whether a source is to be forgotten, and forget it after a yes."""

    def loaded(setup: SourceSetup | None) -> None:
        if setup is None:
            return
        ask(
            parent,
            _words("Remove a source"),
            _words("Stop archiving {name}?").format(name=setup.name),
            [("remove", _words("Remove")), ("cancel", _words("Cancel"))],
            lambda key, _: _send(desk, parent, RemoveSource(setup.name)) if key == "remove" else None,
            detail=_words(
                "{datasets} of it are forgotten here. The measurements and everything archived stay where they are; "
                "added again, it goes on where it was."
            ).format(datasets=datasets_text(setup.dataset_count)),
            name="remove-source",
        )

    desk.reads.ask(lambda reads: source_setup(reads.connection, source_id), parent, loaded)


def remove_destination(desk: Desk, parent: QWidget, destination_id: int) -> None:
    """Ask whether a destination is to be forgotten, and forget it after a yes.

    Refused where a source would have none left.
    """

    def loaded(setup: DestinationSetup | None) -> None:
        if setup is None:
            return
        if setup.only_for:
            tell(
                parent,
                UsageError(
                    _words("{name} is the only destination of {sources}.").format(
                        name=setup.name, sources=", ".join(setup.only_for)
                    ),
                    advice=_words("Give these sources another one first (Edit…), or remove them."),
                ),
                title=_words("Remove a destination"),
            )
            return
        ask(
            parent,
            _words("Remove a destination"),
            _words("Send nothing more to {name}?").format(name=setup.name),
            [("remove", _words("Remove")), ("cancel", _words("Cancel"))],
            lambda key, _: _send(desk, parent, RemoveDestination(setup.name)) if key == "remove" else None,
            detail=_words("Everything archived there stays."),
            name="remove-destination",
        )

    desk.reads.ask(lambda reads: destination_setup(reads.connection, destination_id), parent, loaded)


def _send(desk: Desk, parent: QWidget, command: Command) -> None:
    def replied(reply: Reply) -> None:
        if not reply.is_ok:
            tell(parent, failure_of(reply))

    def failed(error: EtiketError) -> None:
        tell(parent, error)

    desk.host.ask(command, parent, replied, failed)
