"""Seams to the operating system, each with one face for Linux, Windows and macOS."""
