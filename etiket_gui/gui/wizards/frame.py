"""The frame of every wizard: steps at the side, a title, the page, and the way back and forth at the bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QFrame, QLabel, QPushButton, QRadioButton, QStackedWidget, QWidget

from etiket_gui.gui.icons import keep_icon
from etiket_gui.gui.theme.tokens import Space, TextRole
from etiket_gui.gui.widgets.labels import PageTitle, SentenceLabel, TextLabel, set_role
from etiket_gui.gui.widgets.layouts import column, row, scrolled

_WIDTH_CHARACTERS, _HEIGHT_LINES = 128, 40
_LEAST_CHARACTERS, _LEAST_LINES = 84, 26


class Step(QWidget):
    """One page of a wizard. ``readyChanged`` when :attr:`is_ready` may be another; ``goOn`` asks for the next page."""

    readyChanged = Signal()
    goOn = Signal()

    def __init__(self, name: str, title: str, subtitle: str = "") -> None:
        super().__init__()
        self.name = name
        self.title = title
        self.subtitle = subtitle
        self.body = column(self, margin=Space.XL, spacing=Space.L)

    @property
    def is_ready(self) -> bool:
        """Whether the next page may be shown."""
        return True

    @property
    def next_words(self) -> str:
        """What the button to the next page says, empty for the usual words."""
        return ""

    def enter(self) -> None:
        """The page is shown now."""

    def leave(self, then: Callable[[], None]) -> None:
        """The person wants to go on: call ``then`` when nothing is against it, at once or later."""
        then()


class _StepList(QFrame):
    """The names of the steps; the present one is marked, those behind are ticked."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.setProperty("rail", "true")
        layout = column(self, margin=Space.L, spacing=Space.M)
        self._names = list(names)
        self._signs: list[QLabel] = []
        self._labels: list[TextLabel] = []
        for name in names:
            sign, label = QLabel(), TextLabel(name)
            self._signs.append(sign)
            self._labels.append(label)
            line = row(spacing=Space.S)
            line.addWidget(sign)
            line.addWidget(label, 1)
            layout.addLayout(line)
        layout.addStretch(1)
        widest = max((self.fontMetrics().horizontalAdvance(name) for name in names), default=0)
        self.setMinimumWidth(round(widest * 1.15) + 4 * Space.XL)

    def show_step(self, index: int) -> None:
        """Mark a step as the present one."""
        size = self.fontMetrics().height()
        for number, (sign, label) in enumerate(zip(self._signs, self._labels, strict=True)):
            if number < index:
                keep_icon(sign, "circle-check", "accent", size)
                set_role(label, TextRole.BODY, "muted")
            elif number == index:
                keep_icon(sign, "arrow-right", "accent", size)
                set_role(label, TextRole.STRONG, "")
            else:
                keep_icon(sign, "minus", "muted", size)
                set_role(label, TextRole.BODY, "muted")


class Wizard(QDialog):
    """Leads through steps. Subclasses give the steps and do the work in :meth:`finish`."""

    def __init__(self, title: str, steps: Sequence[Step], parent: QWidget | None = None, *, done_words: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self._steps = list(steps)
        self._done_words = done_words
        self._index = 0
        self._is_busy = False
        self._list = _StepList([step.name for step in steps])
        self._title, self._subtitle = PageTitle(), SentenceLabel(tint="muted")
        self._stack = QStackedWidget()
        for step in steps:
            self._stack.addWidget(scrolled(step))
            step.readyChanged.connect(self._tell_ready)
            step.goOn.connect(self.go_on)
        self._note = SentenceLabel(tint="bad")
        self._note.setObjectName("wizard-note")
        self._back = self._button("wizard-back", self.tr("Back"), self.go_back)
        self._next = self._button("wizard-next", self.tr("Next"), self.go_on)
        self._next.setProperty("primary", "true")
        self._cancel = self._button("wizard-cancel", self.tr("Cancel"), self.reject)
        self._next.setDefault(True)
        self._assemble()
        metrics = self.fontMetrics()
        character = metrics.averageCharWidth()
        self.setMinimumSize(QSize(character * _LEAST_CHARACTERS, metrics.height() * _LEAST_LINES))
        self.resize(QSize(character * _WIDTH_CHARACTERS, metrics.height() * _HEIGHT_LINES))
        self._show(0)

    def _button(self, name: str, words: str, clicked: Callable[[], None]) -> QPushButton:
        button = QPushButton(words)
        button.setObjectName(name)
        button.setAccessibleName(words)
        button.setAutoDefault(False)
        button.clicked.connect(clicked)
        return button

    def _assemble(self) -> None:
        head = QWidget()
        top = column(head, margin=Space.XL, spacing=Space.XS)
        top.setContentsMargins(Space.XL, Space.XL, Space.XL, 0)
        top.addWidget(self._title)
        top.addWidget(self._subtitle)
        foot = QFrame()
        foot.setProperty("bar", "bottom")
        buttons = row(foot, margin=Space.M, spacing=Space.S)
        buttons.addWidget(self._cancel)
        buttons.addWidget(self._note, 1)
        buttons.addWidget(self._back)
        buttons.addWidget(self._next)
        right = QWidget()
        beside = column(right, spacing=0)
        beside.addWidget(head)
        beside.addWidget(self._stack, 1)
        beside.addWidget(foot)
        whole = row(self, spacing=0)
        whole.addWidget(self._list)
        whole.addWidget(right, 1)

    # -- where it is -------------------------------------------------------------------------------------------------

    @property
    def current_step(self) -> Step:
        """The page that is shown."""
        return self._steps[self._index]

    @property
    def is_busy(self) -> bool:
        """Whether work is under way that nothing may be changed in."""
        return self._is_busy

    def skip_to(self, index: int) -> None:
        """Show a later step; what was before counts as done."""
        self._show(index)

    def _show(self, index: int) -> None:
        self._index = index
        step = self._steps[index]
        self._stack.setCurrentIndex(index)
        self._list.show_step(index)
        self.say("")
        self._tell_title()
        self._tell_ready()
        step.enter()
        if self.isVisible():
            self._focus(step)

    def _tell_title(self) -> None:
        step = self.current_step
        self._title.setText(step.title)
        self._subtitle.setText(step.subtitle)
        self._subtitle.setVisible(bool(step.subtitle))

    def _focus(self, step: Step) -> None:
        """The keyboard goes to the first field of the page, to the way on where there is none."""
        widget = step.nextInFocusChain()
        while widget is not step and widget is not None:
            takes = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            if step.isAncestorOf(widget) and takes and widget.isVisibleTo(step) and widget.isEnabled():
                # Of choices that exclude each other, the one that is chosen.
                group = widget.group() if isinstance(widget, QRadioButton) else None
                chosen = None if group is None else group.checkedButton()
                (widget if chosen is None else chosen).setFocus(Qt.FocusReason.TabFocusReason)
                return
            widget = widget.nextInFocusChain()
        self._next.setFocus()

    def _tell_ready(self) -> None:
        step = self.current_step
        is_last = self._index == len(self._steps) - 1
        words = step.next_words or (self._done_words if is_last else self.tr("Next"))
        if self._next.text() != words:
            self._next.setText(words)
            self._next.setAccessibleName(words)
        self._next.setEnabled(step.is_ready and not self._is_busy)
        self._back.setEnabled(self._index > 0 and not self._is_busy)
        self._tell_title()

    def say(self, sentence: str) -> None:
        """Show what keeps from going on, beside the buttons."""
        self._note.setText(sentence)

    def set_busy(self, *, is_busy: bool) -> None:
        """Nothing can be clicked but Cancel while work is under way."""
        self._is_busy = is_busy
        self._stack.setEnabled(not is_busy)
        self._tell_ready()

    # -- the way -----------------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """To the next step, or to the end."""
        step = self.current_step
        if not step.is_ready or self._is_busy:
            return
        self.say("")
        step.leave(lambda: self._left(step))

    def _left(self, step: Step) -> None:
        if step is not self.current_step:
            return
        if self._index + 1 < len(self._steps):
            self._show(self._index + 1)
        else:
            self.finish()

    def go_back(self) -> None:
        """To the step before."""
        if self._index > 0 and not self._is_busy:
            self._show(self._index - 1)

    def finish(self) -> None:
        """Everything was answered; closes the wizard unless a subclass has work to do."""
        self.accept()

    def showEvent(self, event: QShowEvent) -> None:
        """Enter is for the way on alone, whichever button has the keyboard."""
        super().showEvent(event)
        for button in self.findChildren(QPushButton):
            if button is not self._next:
                button.setAutoDefault(False)
        self._focus(self.current_step)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter goes on, wherever the keyboard is; Escape cancels."""
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.go_on()
            event.accept()
            return
        super().keyPressEvent(event)
