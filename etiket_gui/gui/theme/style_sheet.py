"""The style sheet that is generated from a palette; rows of tables are left to the palette, which draws them faster."""

from __future__ import annotations

from etiket_gui.gui.resources import resources_folder
from etiket_gui.gui.theme.tokens import Palette, Radius, Space, TextRole


def style_sheet(palette: Palette, base_points: float) -> str:
    """The style sheet of the whole program for a palette and the size of the system's font in points."""
    return "\n".join(
        (_text(palette, base_points), _frames(palette), _buttons(palette), _fields(palette), _views(palette))
    )


def _text(p: Palette, base_points: float) -> str:
    rules = []
    for role in TextRole:
        size, weight = base_points * role.factor, "600" if role.is_strong else "400"
        rules.append(f'QLabel[textRole="{role.value}"] {{ font-size: {size:.2f}pt; font-weight: {weight}; }}')
    tints = ("muted", "accent", "good", "warning", "bad", "measuring")
    rules.extend(f'QLabel[tint="{tint}"] {{ color: {getattr(p, tint)}; }}' for tint in tints)
    rules.append(f"QLabel:disabled {{ color: {p.disabled}; }}")
    rules.append(
        f"QToolTip {{ color: {p.text}; background: {p.surface}; border: 1px solid {p.outline};"
        f" padding: {Space.XS}px; }}"
    )
    return "\n".join(rules)


def _frames(p: Palette) -> str:
    soft = "\n".join(
        f'QFrame[banner="{name}"] {{ background: {getattr(p, name + "_soft")}; border: none; border-radius: '
        f'{Radius.NORMAL}px; }}\nQFrame[banner="{name}"] QLabel {{ color: {p.text}; }}\n'
        f'QLabel[badge="{name}"] {{ background: {getattr(p, name + "_soft")}; color: {getattr(p, name)}; }}'
        for name in ("accent", "good", "warning", "bad", "measuring")
    )
    return f"""
QFrame[card="true"] {{ background: {p.surface}; border: 1px solid {p.border}; border-radius: {Radius.NORMAL}px; }}
QFrame[card="true"]:focus {{ border: 2px solid {p.accent}; }}
QFrame[rail="true"] {{ background: {p.rail}; border: none; border-right: 1px solid {p.border}; }}
QFrame[bar="top"] {{ background: {p.surface}; border: none; border-bottom: 1px solid {p.border}; }}
QFrame[bar="bottom"] {{ background: {p.rail}; border: none; border-top: 1px solid {p.border}; }}
QFrame[rule="true"] {{ background: {p.border}; border: none; min-height: 1px; max-height: 1px; }}
QLabel[badge] {{ border-radius: {Radius.NORMAL}px; padding: 1px {Space.S}px; }}
QLabel[badge="neutral"] {{ background: {p.hover}; color: {p.text}; }}
{soft}
QScrollArea {{ background: transparent; border: none; }}
QScrollArea > QWidget > QWidget[page="true"] {{ background: transparent; }}
QSplitter::handle {{ background: transparent; }}
QSplitter::handle:hover {{ background: {p.border}; }}
"""


def _buttons(p: Palette) -> str:
    return f"""
QPushButton, QToolButton[boxed="true"] {{
    color: {p.text}; background: {p.surface}; border: 1px solid {p.outline}; border-radius: {Radius.NORMAL}px;
    padding: {Space.XS + 1}px {Space.M}px;
}}
QPushButton:hover, QToolButton[boxed="true"]:hover {{ background: {p.hover}; }}
QPushButton:pressed, QToolButton[boxed="true"]:pressed {{ background: {p.border}; }}
QPushButton:focus, QToolButton[boxed="true"]:focus {{
    border: 2px solid {p.accent}; padding: {Space.XS}px {Space.M - 1}px;
}}
QPushButton:disabled, QToolButton[boxed="true"]:disabled {{ color: {p.disabled}; border-color: {p.border}; }}
QPushButton:checked, QToolButton[boxed="true"]:checked {{
    color: {p.accent}; background: {p.accent_soft}; border-color: {p.accent};
}}
QPushButton[primary="true"], QPushButton:default {{
    color: {p.on_accent}; background: {p.accent}; border-color: {p.accent};
}}
QPushButton[primary="true"]:hover, QPushButton:default:hover {{ background: {p.accent_hover}; }}
QPushButton[primary="true"]:pressed, QPushButton:default:pressed {{ background: {p.accent_pressed}; }}
QPushButton[primary="true"]:focus, QPushButton:default:focus {{ border: 2px solid {p.text}; }}
QPushButton[primary="true"]:disabled, QPushButton:default:disabled {{
    color: {p.disabled}; background: {p.hover}; border-color: {p.border};
}}
QPushButton[danger="true"] {{ color: {p.bad}; border-color: {p.bad}; }}
QPushButton[danger="true"]:hover {{ background: {p.bad_soft}; }}
QPushButton[flat="true"] {{ color: {p.accent}; background: transparent; border: 2px solid transparent; }}
QPushButton[flat="true"]:hover {{ background: {p.accent_soft}; }}
QPushButton[flat="true"]:focus {{ border-color: {p.accent}; }}
QPushButton[flat="true"]:disabled {{ color: {p.disabled}; }}
QToolButton {{ color: {p.text}; background: transparent; border: 2px solid transparent;
    border-radius: {Radius.NORMAL}px; padding: {Space.XS}px; }}
QToolButton:hover {{ background: {p.hover}; }}
QToolButton:pressed {{ background: {p.border}; }}
QToolButton:focus {{ border-color: {p.accent}; }}
QToolButton:disabled {{ color: {p.disabled}; }}
QToolButton::menu-indicator {{ image: none; width: 0; }}
QPushButton::menu-indicator {{ image: none; width: 0; }}
QToolButton[nav="true"] {{ padding: {Space.S}px {Space.M}px; text-align: left; color: {p.text}; }}
QToolButton[nav="true"]:checked {{ background: {p.accent_soft}; color: {p.accent}; font-weight: 600; }}
QToolButton[chip="true"] {{
    color: {p.text}; background: {p.surface}; border: 1px solid {p.outline}; border-radius: {Radius.ROUND}px;
    padding: 2px {Space.M}px;
}}
QToolButton[chip="true"]:hover {{ background: {p.hover}; }}
QToolButton[chip="true"]:checked {{ color: {p.accent}; background: {p.accent_soft}; border-color: {p.accent}; }}
QToolButton[chip="true"]:focus {{ border: 2px solid {p.accent}; padding: 1px {Space.M - 1}px; }}
"""


def _fields(p: Palette) -> str:
    return f"""
{_controls(p)}
QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox {{
    color: {p.text}; background: {p.surface}; border: 1px solid {p.outline}; border-radius: {Radius.NORMAL - 2}px;
    padding: {Space.XS}px {Space.S}px; selection-background-color: {p.accent}; selection-color: {p.on_accent};
}}
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {{
    border: 2px solid {p.accent}; padding: {Space.XS - 1}px {Space.S - 1}px;
}}
QLineEdit[wrong="true"], QPlainTextEdit[wrong="true"], QComboBox[wrong="true"], QAbstractSpinBox[wrong="true"] {{
    border-color: {p.bad};
}}
QLineEdit:disabled, QPlainTextEdit:disabled, QTextEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {{
    color: {p.disabled}; background: {p.window}; border-color: {p.border};
}}
QLineEdit:read-only, QPlainTextEdit:read-only, QTextEdit:read-only {{ background: {p.window}; }}
QComboBox QAbstractItemView {{ background: {p.surface}; border: 1px solid {p.outline}; }}
QGroupBox {{ border: 1px solid {p.border}; border-radius: {Radius.NORMAL}px; margin-top: {Space.L}px;
    padding: {Space.M}px; font-weight: 600; }}
QGroupBox::title {{ subcontrol-origin: margin; left: {Space.M}px; padding: 0 {Space.XS}px; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QMessageBox {{ messagebox-text-interaction-flags: 5; }}
QLabel#qt_msgbox_label {{ font-weight: 600; }}
QProgressBar {{ background: {p.hover}; border: none; border-radius: 3px; }}
QProgressBar::chunk {{ background: {p.accent}; border-radius: 3px; }}
"""


def _controls(p: Palette) -> str:
    """The small parts of fields. Signs are pictures: a style sheet can draw none."""
    folder = (resources_folder() / "icons" / "controls").as_posix()
    signs = f"{folder}/{'dark' if p.is_dark else 'light'}"
    return f"""
QComboBox::drop-down, QDateTimeEdit::drop-down {{ border: none; width: 24px; }}
QComboBox::down-arrow, QDateTimeEdit::down-arrow {{ image: url("{signs}-down.svg"); width: 14px; height: 14px; }}
QComboBox::down-arrow:disabled {{ image: url("{signs}-down-off.svg"); }}
QAbstractSpinBox QLineEdit, QAbstractSpinBox QLineEdit:focus, QComboBox QLineEdit, QComboBox QLineEdit:focus {{
    border: none; background: transparent; padding: 0 0 0 {Space.XS + 2}px;
}}
QAbstractSpinBox, QAbstractSpinBox:focus {{ padding: 2px 26px 2px {Space.S}px; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ border: none; width: 24px; subcontrol-origin: border; }}
QAbstractSpinBox::up-button {{ subcontrol-position: top right; margin-top: 2px; }}
QAbstractSpinBox::down-button {{ subcontrol-position: bottom right; margin-bottom: 2px; }}
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover {{ background: {p.hover}; }}
QAbstractSpinBox::up-arrow {{ image: url("{signs}-up.svg"); width: 12px; height: 12px; }}
QAbstractSpinBox::down-arrow {{ image: url("{signs}-down.svg"); width: 12px; height: 12px; }}
QAbstractSpinBox::up-arrow:disabled {{ image: url("{signs}-up-off.svg"); }}
QAbstractSpinBox::down-arrow:disabled {{ image: url("{signs}-down-off.svg"); }}
QCheckBox, QRadioButton {{ spacing: {Space.S}px; outline: none; }}
QCheckBox:disabled, QRadioButton:disabled {{ color: {p.disabled}; }}
QCheckBox::indicator, QRadioButton::indicator, QGroupBox::indicator {{
    width: 16px; height: 16px; background: {p.surface}; border: 1px solid {p.outline};
}}
QCheckBox::indicator, QGroupBox::indicator {{ border-radius: {Radius.SMALL}px; }}
QRadioButton::indicator {{ border-radius: 9px; }}
QCheckBox::indicator:hover, QRadioButton::indicator:hover {{ background: {p.hover}; }}
QCheckBox::indicator:checked, QGroupBox::indicator:checked {{
    background: {p.accent}; border-color: {p.accent}; image: url("{signs}-check.svg");
}}
QCheckBox::indicator:indeterminate {{
    background: {p.accent}; border-color: {p.accent}; image: url("{signs}-dash.svg");
}}
QRadioButton::indicator:checked {{ background: {p.surface}; border: 5px solid {p.accent}; width: 8px; height: 8px; }}
QCheckBox::indicator:focus, QRadioButton::indicator:focus {{ border: 2px solid {p.accent}; width: 14px; height: 14px; }}
QCheckBox::indicator:checked:focus {{ border: 2px solid {p.text}; }}
QRadioButton::indicator:checked:focus {{ border: 5px solid {p.text}; width: 8px; height: 8px; }}
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled {{
    background: {p.window}; border-color: {p.border};
}}
QCheckBox::indicator:checked:disabled {{ background: {p.hover}; image: url("{signs}-check-off.svg"); }}
"""


def _views(p: Palette) -> str:
    return f"""
QTableView, QTreeView, QListView {{ background: {p.surface}; border: 1px solid {p.border};
    border-radius: {Radius.NORMAL}px; gridline-color: {p.border}; }}
QTableView:focus, QTreeView:focus, QListView:focus {{ border-color: {p.accent}; }}
QListWidget::item {{ padding: {Space.S}px; }}
QListWidget::item:selected {{ background: {p.accent_soft}; color: {p.text}; }}
QHeaderView {{ background: transparent; border: none; }}
QHeaderView::section {{ color: {p.muted}; background: {p.surface}; border: none;
    border-bottom: 1px solid {p.border}; padding: {Space.S}px; font-weight: 600; }}
QHeaderView::section:first, QHeaderView::section:only-one {{ border-top-left-radius: {Radius.NORMAL - 1}px; }}
QHeaderView::section:last, QHeaderView::section:only-one {{ border-top-right-radius: {Radius.NORMAL - 1}px; }}
QHeaderView::section:hover {{ color: {p.text}; }}
QAbstractScrollArea::corner {{ background: transparent; border: none; }}
QTableCornerButton::section {{ background: {p.surface}; border: none; }}
QMenu {{ background: {p.surface}; border: 1px solid {p.outline}; padding: {Space.XS}px; }}
QMenu::item {{ color: {p.text}; padding: {Space.XS + 2}px {Space.XL}px {Space.XS + 2}px {Space.M}px;
    border-radius: {Radius.SMALL}px; }}
QMenu::item:selected {{ background: {p.accent_soft}; color: {p.text}; }}
QMenu::item:disabled {{ color: {p.muted}; }}
QMenu::separator {{ height: 1px; background: {p.border}; margin: {Space.XS}px; }}
QMenu::icon {{ padding-left: {Space.S}px; }}
QTabWidget::pane {{ border: none; border-top: 1px solid {p.border}; }}
QTabBar::tab {{ color: {p.muted}; padding: {Space.S}px {Space.L}px; border: none;
    border-bottom: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {p.accent}; border-bottom-color: {p.accent}; }}
QTabBar::tab:focus {{ color: {p.text}; }}
QScrollBar:vertical {{ background: transparent; width: 12px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 12px; margin: 0; }}
QScrollBar::handle {{ background: {p.outline}; border-radius: 3px; border: 3px solid transparent; }}
QScrollBar::handle:vertical {{ min-height: 32px; margin: 2px 3px; border: none; }}
QScrollBar::handle:horizontal {{ min-width: 32px; margin: 3px 2px; border: none; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
"""
