"""Datasets made of real files: the public testing package has them, for it tests plug-ins too."""

from etiket_gui.testing.outgoing import AGENT, OTHER_AGENT, SOURCE_UUID, outgoing, reference, source_files, write_files

__all__ = ["AGENT", "OTHER_AGENT", "SOURCE_UUID", "outgoing", "reference", "source_files", "write_files"]
