"""Folders of Labber logs: finds the logs in each file, reads them without a lock, and converts them."""
