"""Secrets: kept by the operating system's keyring only, and cut out of everything that is written down."""
