"""etiket-gui brings every measurement of a laboratory workstation, verified, to one or more archives."""

__version__ = "0.1.0"
