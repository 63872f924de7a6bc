"""QtCore only: the engine in a thread of its own, its events as signals, its store read beside the window."""
