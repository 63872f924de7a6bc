"""Where the program's home is, and what a person may set in it."""
