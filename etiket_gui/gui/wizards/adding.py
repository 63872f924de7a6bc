"""Adds destinations and sources one after the other, as a wizard or a sheet decided; asks where a source is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal

from etiket_gui.domain.commands import AddDestination, AddSource, Reply
from etiket_gui.domain.errors import EtiketError, UsageError, error_from_json
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.questions import ask
from etiket_gui.gui.wizards.draft import NewDestination, SourceDraft


class Adding(QObject):
    """Carries out one wizard's decisions. One of ``done`` (the number of added sources) and ``failed`` follows.

    What was added before a failure stays, so that trying again goes on from there.
    """

    done = Signal(int)
    failed = Signal(object)
    told = Signal(str)

    def __init__(self, desk: Desk, parent: QObject, window: Any) -> None:
        super().__init__(parent)
        self._desk = desk
        self._window = window
        self._waiting: list[SourceDraft] = []
        #: The sources that were added so far.
        self.added: list[SourceDraft] = []
        self._made: dict[str, str] = {}

    def start(self, drafts: Sequence[SourceDraft]) -> None:
        """Add these sources, and their new destinations first."""
        self._waiting = list(drafts)
        self._next()

    def _next(self) -> None:
        if not self._waiting:
            self.done.emit(len(self.added))
            return
        draft = self._waiting[0]
        if draft.new_destination is not None and draft.destination == "":
            key = _key(draft.new_destination)
            if key in self._made:
                draft.destination = self._made[key]
            else:
                self._make_destination(draft)
                return
        self._ask_known(draft)

    def _fail(self, error: EtiketError) -> None:
        self.failed.emit(error)

    # -- the destination ---------------------------------------------------------------------------------------------

    def _make_destination(self, draft: SourceDraft) -> None:
        new = draft.new_destination
        if new is None:
            return
        self.told.emit(self.tr("Making the destination ready…"))
        parameters = {"kind": new.kind, "config": dict(new.config)}
        self._desk.jobs.start(
            "create_destination", parameters, self, lambda result: self._add_destination(draft, result), self._fail
        )

    def _add_destination(self, draft: SourceDraft, probe: dict[str, Any]) -> None:
        new = draft.new_destination
        if new is None:
            return
        if probe["problems"] and not probe["needs_sign_in"]:
            self._fail(error_from_json(probe["problems"][0]))
            return
        command = AddDestination(new.name, new.kind, dict(new.config), probe["identity"])
        self._desk.host.ask(command, self, lambda reply: self._on_destination(draft, reply), self._fail)

    def _on_destination(self, draft: SourceDraft, reply: Reply) -> None:
        new = draft.new_destination
        if not reply.is_ok or new is None:
            self._fail(failure_of(reply))
            return
        self._made[_key(new)] = new.name
        draft.destination = new.name
        if not new.secret:
            self._next()
            return
        account = str(reply.value.get("uuid"))
        self._keep_secret(account, new.secret, self._next)
        new.secret = ""

    def _keep_secret(self, account: str, secret: str, then: Any) -> None:
        self.told.emit(self.tr("Keeping the password…"))
        parameters = {"account": account, "secret": secret}
        self._desk.jobs.start("keyring_store", parameters, self, lambda _: then(), self._fail)

    # -- the source --------------------------------------------------------------------------------------------------

    def _ask_known(self, draft: SourceDraft) -> None:
        self.told.emit(self.tr("Asking {name} whether it knows this source…").format(name=draft.destination))
        parameters = {"backend": draft.backend, "config": dict(draft.config), "names": [draft.destination]}
        self._desk.jobs.start(
            "known_sources", parameters, self, lambda result: self._on_known(draft, result), self._fail
        )

    def _on_known(self, draft: SourceDraft, result: dict[str, Any]) -> None:
        same, maybe = result["same"], result["maybe"]
        if same is not None:
            draft.uuid = same["uuid"]
        if same is not None or maybe is None:
            self._keep_source_secret(draft)
            return

        def answered(key: str, _: bool) -> None:  # as the question calls it
            if key == "cancel":
                self._fail(UsageError(self.tr("Nothing more was added.")))
                return
            if key == "continue":
                draft.uuid = maybe["uuid"]
            self._keep_source_secret(draft)

        ask(
            self._window,
            self.tr("Known already"),
            self.tr("Is this the same folder as {name} on {host}?").format(name=maybe["name"], host=maybe["host"]),
            [
                ("continue", self.tr("Yes, go on with it")),
                ("new", self.tr("No, a new source")),
                ("cancel", self.tr("Cancel")),
            ],
            answered,
            detail=self.tr(
                "{destination} holds measurements from {root} already. If it is the same folder, its datasets keep "
                "their identity and nothing is sent twice."
            ).format(destination=draft.destination, root=maybe["root"]),
            name="continue-source",
        )

    def _keep_source_secret(self, draft: SourceDraft) -> None:
        if not draft.secret:
            self._add_source(draft)
            return
        self._keep_secret(draft.uuid, draft.secret, lambda: self._add_source(draft))

    def _add_source(self, draft: SourceDraft) -> None:
        self.told.emit(self.tr("Adding {name}…").format(name=draft.name))
        command = AddSource(
            draft.name, draft.backend, dict(draft.config), ((draft.destination, draft.scope),), draft.uuid,
            draft.since_ns,
        )  # fmt: skip
        self._desk.host.ask(command, self, lambda reply: self._on_source(draft, reply), self._fail)

    def _on_source(self, draft: SourceDraft, reply: Reply) -> None:
        if not reply.is_ok:
            self._fail(failure_of(reply))
            return
        draft.secret = ""
        self.added.append(draft)
        if draft in self._waiting:
            self._waiting.remove(draft)
        self._next()


def _key(new: NewDestination) -> str:
    """The same only for the same destination: who comes back and names another folder means another one."""
    return json.dumps([new.kind, new.name, new.config], sort_keys=True)


def failure_of(reply: Reply) -> EtiketError:
    """The failure that a reply which says no stands for."""
    return error_from_json(dict(reply.error)) if reply.error else UsageError(reply.sentence)
