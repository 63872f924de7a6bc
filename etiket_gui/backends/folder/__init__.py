"""Plain folders as a source."""
