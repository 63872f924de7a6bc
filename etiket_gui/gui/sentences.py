"""Figures, times, sizes and states in plain words: what the window says about them, in one voice and translatable."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta

from PySide6.QtCore import QCoreApplication, QLocale

from etiket_gui.domain import wording
from etiket_gui.domain.states import DestinationState, RunState, SourceState, TransferState, VerificationLevel

translate = QCoreApplication.translate

NS_PER_S = 1_000_000_000
#: Between the thousands of a number and before a unit: never broken over two lines.
THIN, FIXED = "\u202f", "\u00a0"
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
#: A measurement of which nothing was heard for so long only seems to run; shares are looked at once a minute.
_QUIET_S = 90
#: Where files are larger than that or come seldom, their number says nothing beside the bytes.
_SMALL_FILE_BYTES, _FEW_FILES_PER_S = 1_000_000, 2.0
#: "trace 1.csv is…", "a/b is…": capital letters would name another file.
_BEGINS_WITH_A_FILE = re.compile(r"\S*[\\/_]\S|(?:\S+ ){0,3}\S*\.\w{1,5}[ :]")


def number_text(number: int) -> str:
    """A whole number with its thousands apart: ``1 204``."""
    return f"{number:,}".replace(",", THIN)


def size_text(size_bytes: float) -> str:
    """Bytes for people, powers of ten: ``0 B``, ``812 kB``, ``1.3 GB``."""
    return wording.size_text(size_bytes).replace(" ", FIXED)


def rate_text(rate_bytes_per_s: float) -> str:
    """A rate for people: ``12.3 MB/s``."""
    return translate("sentences", "{size}/s").format(size=size_text(rate_bytes_per_s))


def moving_text(rate_bytes_per_s: float, rate_files_per_s: float) -> str:
    """How fast files move: ``12.3 MB/s``; where they are small, how many: ``120 files/s · 28 kB/s``."""
    size = rate_text(rate_bytes_per_s)
    if rate_files_per_s < _FEW_FILES_PER_S or rate_bytes_per_s > rate_files_per_s * _SMALL_FILE_BYTES:
        return size
    files = translate("sentences", "{n} files/s").format(n=number_text(round(rate_files_per_s))).replace(" ", FIXED)
    return f"{files} · {size}"


def duration_text(seconds: float) -> str:
    """A duration for people: ``3 s``, ``12 min``, ``2 h 5 min``, ``3 days``."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return translate("sentences", "{n} s").format(n=whole).replace(" ", FIXED)
    if whole < _HOUR_S:
        return translate("sentences", "{n} min").format(n=whole // _MINUTE_S).replace(" ", FIXED)
    if whole < 2 * _DAY_S:
        hours, minutes = divmod(whole // _MINUTE_S, 60)
        text = translate("sentences", "{h} h {m} min") if minutes else translate("sentences", "{h} h")
        return text.format(h=hours, m=minutes).replace(" ", FIXED)
    return translate("sentences", "{n} days").format(n=number_text(whole // _DAY_S)).replace(" ", FIXED)


def rest_text(rest_s: float | None) -> str:
    """How long it still takes: ``about 12 min left``; ``estimating`` while it cannot be told."""
    if rest_s is None:
        return translate("sentences", "estimating")
    return translate("sentences", "about {time} left").format(time=duration_text(max(1.0, rest_s)))


def ago_text(time_ns: int | None, now_ns: int | None = None) -> str:
    """How long ago that was: ``just now``, ``3 min ago``; ``never`` for None and 0."""
    if not time_ns:
        return translate("sentences", "never")
    passed_s = (_now(now_ns) - time_ns) / NS_PER_S
    if passed_s < 1:
        return translate("sentences", "just now")
    return translate("sentences", "{time} ago").format(time=duration_text(passed_s))


def in_text(due_ns: int | None, now_ns: int | None = None) -> str:
    """When something comes: ``in 3 min``, ``now`` when it is due; empty for None."""
    if due_ns is None:
        return ""
    rest_s = (due_ns - _now(now_ns)) / NS_PER_S
    if rest_s < 1:
        return translate("sentences", "now")
    return translate("sentences", "in {time}").format(time=duration_text(rest_s))


def is_quiet(newest_ns: int | None, now_ns: int) -> bool:
    """Whether the newest point of a running measurement is so old that it may have ended without saying so."""
    return newest_ns is not None and now_ns - newest_ns > _QUIET_S * NS_PER_S


def local(time_ns: int) -> datetime:
    """A moment on this machine's clock."""
    return datetime.fromtimestamp(time_ns / NS_PER_S, UTC).astimezone()


def clock_text(time_ns: int, now_ns: int | None = None) -> str:
    """A moment as a person says it: ``14:02``, ``yesterday 14:02``, ``3 March 14:02``, ``3 March 2024``."""
    then, now = local(time_ns), local(_now(now_ns))
    clock = then.strftime("%H:%M")
    if then.date() == now.date():
        return clock
    if then.date() == now.date() - timedelta(days=1):
        return translate("sentences", "yesterday {clock}").format(clock=clock)
    if then.date() == now.date() + timedelta(days=1):
        return translate("sentences", "tomorrow {clock}").format(clock=clock)
    day = _day_of_month(then.date())
    if then.year != now.year:
        return f"{day} {then.year}"
    return f"{day} {clock}"


def time_text(time_ns: int | None) -> str:
    """Date and time in full, for tables and tooltips: ``2026-03-01 14:02:31``; empty for None and 0."""
    return local(time_ns).strftime("%Y-%m-%d %H:%M:%S") if time_ns else ""


def day_text(day: date, today: date | None = None) -> str:
    """A day as a heading: ``Today``, ``Yesterday``, ``Tuesday 3 March 2026``."""
    today = today or local(_now(None)).date()
    if day == today:
        return translate("sentences", "Today")
    if day == today - timedelta(days=1):
        return translate("sentences", "Yesterday")
    return f"{QLocale().dayName(day.isoweekday())} {_day_of_month(day)} {day.year}"


def _day_of_month(day: date) -> str:
    return f"{day.day} {QLocale().monthName(day.month)}"


def until_text(until_ns: int, now_ns: int | None = None) -> str:
    """The end of a pause or hold: ``until you resume``, ``until 14:30``."""
    if until_ns == -1:
        return translate("sentences", "until you resume")
    return translate("sentences", "until {time}").format(time=clock_text(until_ns, now_ns))


def is_ahead(until_ns: int, now_ns: int | None = None) -> bool:
    """Whether a pause or hold with this end still holds; -1 has no end, 0 never was."""
    return until_ns == -1 or until_ns > _now(now_ns)


def datasets_text(count: int) -> str:
    """``1 dataset`` or ``1 204 datasets``."""
    if count == 1:
        return translate("sentences", "1 dataset")
    return translate("sentences", "{n} datasets").format(n=number_text(count))


def files_text(count: int) -> str:
    """``1 file`` or ``20 000 files``."""
    if count == 1:
        return translate("sentences", "1 file")
    return translate("sentences", "{n} files").format(n=number_text(count))


def problems_text(count: int) -> str:
    """``no problem``, ``1 problem`` or ``3 problems``."""
    if count == 0:
        return translate("sentences", "no problem")
    if count == 1:
        return translate("sentences", "1 problem")
    return translate("sentences", "{n} problems").format(n=number_text(count))


def tries_text(attempts: int) -> str:
    """``once`` or ``7 times``; empty for 0."""
    if attempts <= 0:
        return ""
    if attempts == 1:
        return translate("sentences", "once")
    return translate("sentences", "{n} times").format(n=number_text(attempts))


# -- states ------------------------------------------------------------------------------------------------------------


def state_title(shown: str) -> str:
    """One word for the state a dataset shows: a transfer state's value, or ``gone``."""
    titles = {
        TransferState.WAITING.value: translate("sentences", "Waiting"),
        TransferState.HELD.value: translate("sentences", "Waiting"),
        TransferState.SENDING.value: translate("sentences", "Sending"),
        TransferState.ARCHIVED.value: translate("sentences", "Archived"),
        TransferState.FAILED.value: translate("sentences", "Problem"),
        TransferState.IGNORED.value: translate("sentences", "Ignored"),
        "gone": translate("sentences", "Gone"),
    }
    return titles.get(shown, shown)


def run_state_title(state: str) -> str:
    """One word for what the source says of a measurement."""
    titles = {
        RunState.ANNOUNCED.value: translate("sentences", "Announced"),
        RunState.LIVE.value: translate("sentences", "Measuring"),
        RunState.COMPLETE.value: translate("sentences", "Complete"),
        RunState.INTERRUPTED.value: translate("sentences", "Interrupted"),
    }
    return titles.get(state, state)


def source_state_title(state: str) -> str:
    """A few words for the state of a source."""
    titles = {
        SourceState.NEW.value: translate("sentences", "Not looked at yet"),
        SourceState.OK.value: translate("sentences", "In order"),
        SourceState.OFFLINE.value: translate("sentences", "Not reachable"),
        SourceState.EMPTY.value: translate("sentences", "Nothing found"),
        SourceState.ASKING.value: translate("sentences", "Asks you"),
        SourceState.PROBLEM.value: translate("sentences", "Problem"),
    }
    return titles.get(state, state)


def destination_state_title(state: str) -> str:
    """A few words for the state of a destination."""
    titles = {
        DestinationState.NEW.value: translate("sentences", "Not looked at yet"),
        DestinationState.OK.value: translate("sentences", "Reachable"),
        DestinationState.OFFLINE.value: translate("sentences", "Not reachable"),
        DestinationState.FULL.value: translate("sentences", "Full"),
        DestinationState.SIGN_IN.value: translate("sentences", "Sign-in needed"),
        DestinationState.PROBLEM.value: translate("sentences", "Problem"),
    }
    return titles.get(state, state)


def level_title(level: str) -> str:
    """How a copy was checked, in a few words."""
    titles = {
        VerificationLevel.RE_READ.value: translate("sentences", "read back and compared"),
        VerificationLevel.SERVER_DIGEST.value: translate("sentences", "checksum confirmed by the server"),
        VerificationLevel.SIZE_ONLY.value: translate("sentences", "stored, only the size was checked"),
    }
    return titles.get(level, level)


def transfer_sentence(
    state: str,
    reason: str,
    *,
    verified_at_ns: int | None = None,
    due_ns: int | None = None,
    now_ns: int | None = None,
) -> str:
    """Where a dataset is on its way to one destination, why, and what comes next.

    ``archived and verified 3 min ago`` · ``waiting: still being written`` · ``did not work: …; tried again in 4 min``.
    """
    match state:
        case TransferState.ARCHIVED.value:
            text = translate("sentences", "archived and verified {ago}").format(ago=ago_text(verified_at_ns, now_ns))
            return f"{text} ({reason})" if reason else text
        case TransferState.SENDING.value:
            return translate("sentences", "is being sent")
        case TransferState.IGNORED.value:
            if reason:
                return translate("sentences", "left out: {reason}").format(reason=reason.rstrip("."))
            return translate("sentences", "left out, as you asked")
        case TransferState.FAILED.value:
            return _failure(reason, due_ns, now_ns)
        case "gone":
            return translate("sentences", "no longer at its source; what was archived stays")
    if not reason:
        return translate("sentences", "waiting for its turn")
    return translate("sentences", "waiting: {reason}").format(reason=reason.rstrip("."))


def _failure(reason: str, due_ns: int | None, now_ns: int | None) -> str:
    if due_ns is None:
        return translate("sentences", "did not work: {reason}").format(reason=reason.rstrip("."))
    return translate("sentences", "did not work: {reason}; tried again {when}").format(
        reason=reason.rstrip("."), when=in_text(due_ns, now_ns)
    )


def advice_text(problem_kind: str, advice: str) -> str:
    """What to do about a failure, in the words of the window where the engine's name a command of the shell."""
    here = {
        "SourceEmpty": translate(
            "sentences", "Check its folder and its level: Edit… in the menu of its card on the overview."
        ),
        "ManyChanged": translate(
            "sentences",
            "Say so if that is meant. Until then their good versions stay as they are, and new datasets go on.",
        ),
        "ProgramError": translate("sentences", "Please report it with the diagnostics file (in the settings)."),
    }
    return here.get(problem_kind, advice)


def ended(sentence: str) -> str:
    """The sentence with a full stop; it may begin with a name, which is left as it is."""
    return sentence if not sentence or sentence[-1] in ".!?…" else f"{sentence}."


def capitalised(sentence: str) -> str:
    """The sentence with a capital first letter and a full stop; the name of a file at its begin stays as it is."""
    whole = ended(sentence)
    if _BEGINS_WITH_A_FILE.match(whole):
        return whole
    return whole[:1].upper() + whole[1:]


def _now(now_ns: int | None) -> int:
    return time.time_ns() if now_ns is None else now_ns
