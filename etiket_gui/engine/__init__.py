"""The engine: decides what is done when, and owns the store's writer. Knows no Qt and no vendor."""
