"""Generators for packages with a new backend or new converters."""
