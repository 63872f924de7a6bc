"""Dialogs of the window: one question or one piece of work each."""
