"""The states a dataset, a transfer and a failure can be in; owns the words, decides nothing."""

from enum import Enum, StrEnum


class RunState(StrEnum):
    """What the source says about the measurement itself."""

    ANNOUNCED = "announced"
    LIVE = "live"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"


class TransferState(StrEnum):
    """Where a dataset is on its way to one destination.

    Every transfer is in exactly one of these, and a dataset shows the worst of its transfers.
    """

    WAITING = "waiting"
    HELD = "held"
    SENDING = "sending"
    ARCHIVED = "archived"
    FAILED = "failed"
    IGNORED = "ignored"


#: Worst first: a dataset with several transfers shows the first of these that one of them is in.
WORST_FIRST: tuple[TransferState, ...] = (
    TransferState.FAILED,
    TransferState.HELD,
    TransferState.WAITING,
    TransferState.SENDING,
    TransferState.ARCHIVED,
    TransferState.IGNORED,
)


class VerificationLevel(StrEnum):
    """How a destination's copy was checked. ``SIZE_ONLY`` is "stored, not verified" and does not count."""

    RE_READ = "re_read"
    SERVER_DIGEST = "server_digest"
    SIZE_ONLY = "size_only"

    @property
    def counts_as_verified(self) -> bool:
        """Whether a copy checked this way may be called archived."""
        return self is not VerificationLevel.SIZE_ONLY


class ScopePolicy(StrEnum):
    """Whether a source of a backend must name a scope at its destinations."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    DISABLED = "disabled"


class Realm(StrEnum):
    """Where a backend's identifiers are unique."""

    WORLD = "world"
    SOURCE = "source"


class RetryClass(StrEnum):
    """When something that failed is worth trying again."""

    NOW = "now"
    SOON = "soon"
    AT_TIME = "at_time"
    ON_CHANGE = "on_change"
    ON_USER = "on_user"
    NEVER = "never"


class SourceState(StrEnum):
    """What is known about a source as a whole."""

    NEW = "new"
    OK = "ok"
    OFFLINE = "offline"
    EMPTY = "empty"
    ASKING = "asking"
    PROBLEM = "problem"


class DestinationState(StrEnum):
    """What is known about a destination as a whole."""

    NEW = "new"
    OK = "ok"
    OFFLINE = "offline"
    FULL = "full"
    SIGN_IN = "sign_in"
    PROBLEM = "problem"


class EntryKind(StrEnum):
    """What one entry of a dataset is. Folders are recorded only when they are empty."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"


class Provisional(Enum):
    """What a destination can hold of a measurement that is still running."""

    NONE = "none"
    METADATA = "metadata"
    REPLACEABLE = "replaceable"
