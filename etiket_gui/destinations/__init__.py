"""Plug-ins that keep datasets, and the contract they keep."""
