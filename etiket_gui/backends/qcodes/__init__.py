"""QCoDeS databases as sources: read by sqlite3 alone, in short slices, without ever disturbing who writes them."""
