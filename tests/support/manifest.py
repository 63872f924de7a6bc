"""What a folder tree holds at one moment: the public testing package has it, for it tests plug-ins too."""

from etiket_gui.testing.manifest import (
    RESTORED,
    UNTOUCHED,
    Entry,
    Manifest,
    changes_since,
    differences,
    sha256_of,
    take_manifest,
)

__all__ = [
    "RESTORED",
    "UNTOUCHED",
    "Entry",
    "Manifest",
    "changes_since",
    "differences",
    "sha256_of",
    "take_manifest",
]
