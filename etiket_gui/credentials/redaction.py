"""Keeps secrets out of every text that leaves the program: logs, error sentences, diagnostics."""

from __future__ import annotations

import json
import logging
import re
import threading
from urllib.parse import quote, quote_plus

from etiket_gui.domain import guards

HIDDEN = "[hidden]"
#: Shorter secrets would hide half of every sentence; the patterns below still catch them by their names.
_SHORTEST = 5

_NAMES = (
    r"(?:[\w-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|apikey|private[_-]?key|credential)s?|pwd|sig|"
    r"signature|x-amz-signature|x-amz-credential|sessionid|csrftoken|jwt)"
)
_HEADERS = r"(?:proxy-)?authorization|set-cookie|cookie|x-auth-token|x-api-key|x-amz-security-token"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(rf"(?i)(['\"]?(?:{_HEADERS})['\"]?\s*[:=,]\s*)(b?)(['\"])(?:\\.|(?!\3).)*\3"), rf"\1\2\3{HIDDEN}\3"),
    (re.compile(rf"(?i)\b((?:{_HEADERS})\s*:[ \t]*)(?!['\"\[])[^\r\n'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic|negotiate|digest)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s?#@:'\"<>]*:(?!\d{1,5}[/?#])[^\s@'\"<>]*@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s?#@'\"<>]+@"), rf"\1{HIDDEN}@"),
    (re.compile(rf"(?i)(['\"]?\b{_NAMES}['\"]?\s*[:=]\s*)(b?)(['\"])(?:\\.|(?!\3).)*\3"), rf"\1\2\3{HIDDEN}\3"),
    (re.compile(rf"(?i)\b({_NAMES}\s*=\s*)(?!['\"\[])[^\s&;,'\"<>)\]}}]+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b({_NAMES}:\s*)(?!['\"\[])[^\s&;,'\"<>)\]}}]{{6,}}"), rf"\1{HIDDEN}"),
)

_known: set[str] = set()
_known_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()


def remember_secret(secret: str) -> None:
    """From now on this very text is hidden in everything that passes here, in each form it may take on the way."""
    global _known_pattern
    if len(secret) < _SHORTEST:
        return
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1]}
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    with _lock:
        _known.update(forms)
        _known_pattern = re.compile("|".join(re.escape(form) for form in sorted(_known, key=len, reverse=True)))


def redact(text: str) -> str:
    """The text without secrets: those that were remembered, and whatever looks like one."""
    if not guards.is_on("redaction"):
        return text
    known = _known_pattern
    if known is not None:
        text = known.sub(HIDDEN, text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats a record and then hides the secrets in all of it, the traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines of the record, without secrets."""
        return redact(super().format(record))


class RedactingFilter(logging.Filter):
    """Hides the secrets in a record itself, for handlers whose formatter is not ours.

    To be put on a logger or handler that only this program uses: what it changes stays changed.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without secrets."""
        record.msg = redact(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True
