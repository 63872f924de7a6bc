"""The wizard's page on where a source goes: which destination, and into which scope there."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QLineEdit, QWidget

from etiket_gui.domain.states import ScopePolicy
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.sentences import translate
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import SentenceLabel, TextLabel
from etiket_gui.gui.widgets.layouts import column
from etiket_gui.gui.wizards.destination_choice import DestinationChoice
from etiket_gui.gui.wizards.draft import Catalogue, SourceDraft
from etiket_gui.gui.wizards.frame import Step


class ScopeField(QWidget):
    """The scope at a destination, as the backend's policy asks: required, optional, or taken from each dataset."""

    def __init__(self) -> None:
        super().__init__()
        self._policy = ScopePolicy.OPTIONAL
        self.line = QLineEdit()
        self.line.setObjectName("scope")
        self.line.setAccessibleName(self.tr("Scope"))
        self._help = SentenceLabel("", TextRole.SMALL, "muted")
        layout = column(self, spacing=Space.XS)
        self._title = TextLabel("", TextRole.STRONG)
        layout.addWidget(self._title)
        layout.addWidget(self.line)
        layout.addWidget(self._help)

    def set_policy(self, policy: ScopePolicy, kind: str) -> None:
        """Ask as a policy wants it; ``kind`` of destination has its own word for a scope."""
        self._policy = policy
        word = {"archive": self.tr("Workspace"), "cdcs": self.tr("Workspace"), "scicat": self.tr("Owner group")}.get(
            kind, self.tr("Scope")
        )
        self._title.setText(word)
        self.line.setAccessibleName(word)
        self.line.setVisible(policy is not ScopePolicy.DISABLED)
        self._help.setText(
            {
                ScopePolicy.REQUIRED: self.tr("Needed: under which name its datasets are kept there."),
                ScopePolicy.OPTIONAL: self.tr(
                    "Under which name its datasets are kept there. Left empty: the usual one."
                ),
                ScopePolicy.DISABLED: self.tr("Taken from each dataset."),
            }[policy]
        )

    @property
    def scope(self) -> str:
        """What was typed."""
        return "" if self._policy is ScopePolicy.DISABLED else self.line.text().strip()

    @property
    def is_ready(self) -> bool:
        """Whether a needed scope is there."""
        return self._policy is not ScopePolicy.REQUIRED or bool(self.scope)


class DestinationStep(Step):
    """Puts the destination and the scope into the draft."""

    def __init__(self, desk: Desk, catalogue: Catalogue, draft: SourceDraft) -> None:
        super().__init__(
            translate("DestinationStep", "Destination"),
            translate("DestinationStep", "Where do they go?"),
            translate("DestinationStep", "Every dataset is copied there and compared with the original."),
        )
        self._catalogue = catalogue
        self._draft = draft
        self.choice = DestinationChoice(desk, catalogue)
        self.choice.changed.connect(self._on_changed)
        self.body.addWidget(self.choice)
        self.scope = ScopeField()
        self.scope.line.textEdited.connect(lambda _: self.readyChanged.emit())
        self.body.addWidget(self.scope)
        self.body.addStretch(1)

    def enter(self) -> None:
        """Ask for the scope as this backend wants it."""
        self.choice.set_sources([self._draft])
        self._on_changed()

    def _on_changed(self) -> None:
        backend = self._catalogue.backends.get(self._draft.backend)
        if backend is not None:
            policy = ScopePolicy(backend["scope_policy"])
            self.scope.set_policy(policy, self.choice.kind)
            # A new destination is asked for its own scope in its form; only a needed one is asked for beside it.
            self.scope.setVisible(bool(self.choice.chosen) or policy is ScopePolicy.REQUIRED)
        self.readyChanged.emit()

    @property
    def is_ready(self) -> bool:
        """Whether a destination is chosen and a needed scope given."""
        return self.choice.is_ready and self.scope.is_ready

    def leave(self, then: Callable[[], None]) -> None:
        """Hand the choice to the draft."""
        self._draft.destination = self.choice.chosen
        self._draft.new_destination = self.choice.new
        self._draft.scope = self.scope.scope
        then()
