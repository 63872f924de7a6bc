"""What a store would know of a source's datasets, kept in memory for tests of backends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etiket_gui.domain.content import FileEntry

SOURCE_UUID = "5f0f5f6e-0a51-4b1e-9d53-0f3c8d1b6a01"


@dataclass
class KnownInMemory:
    """What a store knows: fingerprints of what was found, manifests of what was read."""

    known: dict[str, int] = field(default_factory=dict)
    manifests: dict[str, tuple[FileEntry, ...]] = field(default_factory=dict)
    asked_for_everything: int = 0

    def fingerprints(self) -> Mapping[str, int]:
        """Identifier to fingerprint."""
        self.asked_for_everything += 1
        return dict(self.known)

    def fingerprints_below(self, identifier: str) -> Mapping[str, int]:
        """Of one dataset and of those below it."""
        return {
            name: value
            for name, value in self.known.items()
            if name == identifier or name.startswith(f"{identifier}/") or identifier == "."
        }

    def manifest(self, identifier: str) -> tuple[FileEntry, ...]:
        """The entries that were read last."""
        return self.manifests.get(identifier, ())
