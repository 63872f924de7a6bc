"""Measurements of the program's own recorder, and those in the local database of an eTiKeT client."""
