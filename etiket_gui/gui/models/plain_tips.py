"""Tips that show names and reasons as they are: Qt takes text that looks like markup for markup."""

from __future__ import annotations

import html

from etiket_gui.domain import guards


def plain_tip(text: str) -> str:
    """The text as a tool tip that shows every character of it and loads nothing; empty stays empty."""
    if not text or not guards.is_on("names-are-plain-text"):
        return text
    return f"<qt>{html.escape(text).replace(chr(10), '<br>')}</qt>"
