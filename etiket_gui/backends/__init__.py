"""Plug-ins that read one kind of source each, and the contract they keep."""
