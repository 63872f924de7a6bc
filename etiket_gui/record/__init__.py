"""A recorder for measurement scripts: numpy and h5py only, and nothing else of this program."""

from etiket_gui.record.recorder import Recorder, default_folder

__all__ = ["Recorder", "default_folder"]
