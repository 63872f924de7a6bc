"""The settings as a dialog: how archiving goes, how the window behaves, and where logs and files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from etiket_gui.bridge.background import Background
from etiket_gui.domain.errors import EtiketError, UsageError
from etiket_gui.gui.desk import Desk
from etiket_gui.gui.login_start import command_for
from etiket_gui.gui.sentences import capitalised
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.card import Card
from etiket_gui.gui.widgets.fields import NumberField
from etiket_gui.gui.widgets.labels import ElidedLabel, SentenceLabel, set_tint
from etiket_gui.gui.widgets.layouts import column, row, scrolled
from etiket_gui.osys.autostart import Autostart, for_this_system, set_enabled
from etiket_gui.osys.reveal import reveal

_MB, _DAY_S, _MINUTE_S = 1_000_000, 86_400, 60


def _beside(words: QWidget, field: QWidget) -> None:
    """The words stand at the middle of the field, also where a hint is below it."""
    field.ensurePolished()
    words.setMinimumHeight(field.sizeHint().height())


class SettingsDialog(QDialog):
    """Nothing is changed before "Save"; what is saved holds at once."""

    def __init__(
        self,
        desk: Desk,
        background: Background,
        parent: QWidget | None = None,
        *,
        autostart: Autostart | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self._background = background
        self._autostart = for_this_system() if autostart is None else autostart
        self._was_autostart: bool | None = None
        self.setObjectName("settings-dialog")
        self.setWindowTitle(self.tr("Settings"))
        layout = column(self, spacing=0)
        content = QWidget()
        parts = column(content, margin=Space.XL, spacing=Space.L)
        parts.addWidget(self._archiving())
        parts.addWidget(self._window())
        parts.addWidget(self._files())
        parts.addStretch(1)
        layout.addWidget(scrolled(content), 1)
        layout.addLayout(self._bottom())
        metrics = self.fontMetrics()
        self.resize(metrics.averageCharWidth() * 96, metrics.height() * 40)
        self._align()
        self._read_autostart()

    def _align(self) -> None:
        """The fields of all cards begin at one line."""
        forms = self.findChildren(QFormLayout)
        labels: list[QWidget] = []
        for form in forms:
            for index in range(form.rowCount()):
                item = form.itemAt(index, QFormLayout.ItemRole.LabelRole)
                widget = None if item is None else item.widget()
                if widget is not None:
                    labels.append(widget)
        width = max(label.sizeHint().width() for label in labels)
        for label in labels:
            label.setMinimumWidth(width)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _archiving(self) -> Card:
        settings = self._desk.settings.current
        card = Card(self.tr("Archiving"))
        form = self._form(card)
        self._workers = self._number("workers", settings.worker_count, 1, 16)
        self._add(form, self.tr("Datasets at a time"), self._workers)
        has_limit = settings.rate_limit_bytes_per_s is not None
        self._limited = self._tick("limit-speed", self.tr("Limit the speed to"), is_on=has_limit)
        self._rate = self._number("speed-limit", round((settings.rate_limit_bytes_per_s or 50 * _MB) / _MB), 1, 10_000)
        self._rate.setSuffix(self.tr(" MB/s"))
        self._rate.setEnabled(has_limit)
        self._limited.toggled.connect(self._rate.setEnabled)
        self._rate.setAccessibleName(self.tr("Speed limit in MB/s"))
        _beside(self._limited, self._rate)
        form.addRow(self._limited, self._rate)
        self._measuring = self._number(
            "measuring-speed", max(1, round(settings.measuring_rate_bytes_per_s / _MB)), 1, 10_000
        )
        self._measuring.setSuffix(self.tr(" MB/s"))
        self._add(form, self.tr("While a measurement runs, at most"), self._measuring)
        self._safe = self._number("safe-within", round(settings.safe_within_s / _MINUTE_S), 1, 10_080)
        self._safe.setSuffix(self.tr(" min"))
        self._add(
            form, self.tr("Even then, everything is archived within"), self._safe,
            self.tr("Counted from the end of a measurement: after that it is sent at full speed."),
        )  # fmt: skip
        self._order = self._choice(
            "backlog-order",
            (("newest", self.tr("The newest")), ("oldest", self.tr("The oldest"))),
            settings.backlog_order,
        )
        self._add(form, self.tr("Of what waits, first"), self._order)
        self._prove = self._number("prove-every", round(settings.prove_every_s / _DAY_S), 1, 3650)
        self._prove.setSuffix(self.tr(" days"))
        self._add(
            form, self.tr("Read every archived copy again within"), self._prove,
            self.tr("So that damage at a destination is found and repaired while the original is still there."),
        )  # fmt: skip
        return card

    def _window(self) -> Card:
        settings = self._desk.settings.current
        card = Card(self.tr("This program"))
        form = self._form(card)
        self._login = self._tick("start-at-login", self.tr("Start when I log in, in the tray"), is_on=False)
        self._login.setEnabled(False)
        form.addRow(self._login)
        self._appearance = self._choice(
            "appearance",
            (("system", self.tr("As the system")), ("light", self.tr("Light")), ("dark", self.tr("Dark"))),
            settings.appearance,
        )
        self._add(form, self.tr("Appearance"), self._appearance)
        self._notify = self._tick(
            "notifications", self.tr("Notify me of problems"), is_on=settings.notifications == "problems"
        )
        form.addRow(self._notify)
        notes = self.tr(
            "At most once in 15 minutes for each source, and never during a measurement. Beside problems: once when a "
            "new source is archived as a whole, and each day of a pause without end."
        )
        form.addRow(self._hint(notes))
        self._close = self._choice(
            "on-close",
            (("ask", self.tr("Asks")), ("tray", self.tr("Goes on in the tray")), ("quit", self.tr("Quits"))),
            settings.on_close,
        )
        self._add(form, self.tr("Closing the window"), self._close)
        return card

    def _files(self) -> Card:
        settings, home = self._desk.settings.current, self._desk.home
        card = Card(self.tr("Logs and folders"))
        form = self._form(card)
        self._level = self._choice(
            "log-level", (("info", self.tr("What matters")), ("debug", self.tr("Everything"))), settings.log_level
        )
        self._add(form, self.tr("Write to the log"), self._level)
        self._log_size = self._number("log-size", max(1, round(settings.log_limit_bytes / _MB)), 1, 1000)
        self._log_size.setSuffix(self.tr(" MB"))
        self._add(
            form,
            self.tr("Keep logs up to"),
            self._log_size,
            self.tr("Older lines are removed. Counts from the next start."),
        )
        for name, words, path in (
            ("home", self.tr("Program's folder"), home.root),
            ("logs", self.tr("Logs"), home.logs),
        ):
            line = row(spacing=Space.S)
            label = ElidedLabel(str(path))
            line.addWidget(label, 1)
            button = QPushButton(self.tr("Show"))
            button.setObjectName(f"show-{name}")
            button.setAccessibleName(self.tr("Show {what} in the file manager").format(what=words))
            button.setAutoDefault(False)
            button.clicked.connect(lambda _=False, path=path: self._show_folder(path))
            line.addWidget(button)
            form.addRow(QLabel(words), line)
        return card

    def _bottom(self) -> QVBoxLayout:
        bottom = column(margin=Space.L, spacing=Space.S)
        self._said = SentenceLabel(tint="bad")
        self._said.setObjectName("settings-said")
        self._said.hide()
        bottom.addWidget(self._said)
        buttons = QDialogButtonBox()
        save = buttons.addButton(self.tr("Save"), QDialogButtonBox.ButtonRole.AcceptRole)
        save.setObjectName("settings-save")
        save.setDefault(True)
        cancel = buttons.addButton(self.tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        cancel.setObjectName("settings-cancel")
        for button in (save, cancel):
            button.setAccessibleName(button.text())
        buttons.accepted.connect(self._save)
        buttons.rejected.connect(self.reject)
        bottom.addWidget(buttons)
        return bottom

    # -- pieces ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _form(card: Card) -> QFormLayout:
        form = QFormLayout()
        form.setHorizontalSpacing(Space.L)
        form.setVerticalSpacing(Space.M)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        card.body.addLayout(form)
        return form

    @staticmethod
    def _hint(text: str) -> SentenceLabel:
        return SentenceLabel(text, TextRole.SMALL, "muted")

    def _add(self, form: QFormLayout, words: str, field: QWidget, hint: str = "") -> None:
        field.setAccessibleName(words)
        label = QLabel(words)
        label.setBuddy(field)
        _beside(label, field)
        if not hint:
            form.addRow(label, field)
            return
        both = column(spacing=Space.XS)
        both.addWidget(field)
        both.addWidget(self._hint(hint))
        form.addRow(label, both)

    @staticmethod
    def _number(name: str, value: int, least: int, most: int) -> NumberField:
        field = NumberField()
        field.setObjectName(name)
        field.setRange(least, most)
        field.setValue(value)
        return field

    @staticmethod
    def _tick(name: str, words: str, *, is_on: bool) -> QCheckBox:
        field = QCheckBox(words)
        field.setObjectName(name)
        field.setAccessibleName(words)
        field.setChecked(is_on)
        return field

    @staticmethod
    def _choice(name: str, choices: Sequence[tuple[str, str]], chosen: str) -> QComboBox:
        field = QComboBox()
        field.setObjectName(name)
        for key, words in choices:
            field.addItem(words, key)
        field.setCurrentIndex(max(0, field.findData(chosen)))
        return field

    # -- what it does ------------------------------------------------------------------------------------------------

    def _read_autostart(self) -> None:
        def told(command: tuple[str, ...] | None) -> None:
            self._was_autostart = command is not None
            self._login.setChecked(self._was_autostart)
            self._login.setEnabled(True)

        self._background.run(self._autostart.command, self, told, self._say)

    def _show_folder(self, path: Any) -> None:
        self._background.run(lambda: reveal(path), self, lambda _: None, self._say)

    def values(self) -> dict[str, Any]:
        """The settings as they stand in the dialog; those that were not touched keep their exact value."""
        settings = self._desk.settings.current
        scaled = (
            ("measuring_rate_bytes_per_s", self._measuring, _MB), ("safe_within_s", self._safe, _MINUTE_S),
            ("prove_every_s", self._prove, _DAY_S), ("log_limit_bytes", self._log_size, _MB),
        )  # fmt: skip
        found: dict[str, Any] = {
            "worker_count": self._workers.value(),
            "backlog_order": self._order.currentData(),
            "appearance": self._appearance.currentData(),
            "notifications": "problems" if self._notify.isChecked() else "off",
            "on_close": self._close.currentData(),
            "log_level": self._level.currentData(),
        }
        for name, field, unit in scaled:
            before = getattr(settings, name)
            found[name] = before if max(1, round(before / unit)) == field.value() else field.value() * unit
        limit = settings.rate_limit_bytes_per_s
        is_same = limit is not None and round(limit / _MB) == self._rate.value()
        if not self._limited.isChecked():
            found["rate_limit_bytes_per_s"] = None
        else:
            found["rate_limit_bytes_per_s"] = limit if is_same else float(self._rate.value() * _MB)
        return found

    def _save(self) -> None:
        try:
            self._desk.settings.change(**self.values())
        except UsageError as error:
            self._say(error)
            return
        wanted = self._login.isChecked()
        if self._was_autostart is None or wanted == self._was_autostart:
            self.accept()
            return
        command = command_for(self._desk.home)
        self._background.run(
            lambda: set_enabled(self._autostart, command, is_enabled=wanted),
            self,
            lambda _: self.accept(),
            self._say,
        )

    def _say(self, error: EtiketError) -> None:
        set_tint(self._said, "bad")
        self._said.setText(" ".join(filter(None, (capitalised(error.reason), error.advice))))
        self._said.show()
