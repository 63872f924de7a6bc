"""What every converter promises: the public conformance suite, under the name the tests of this project know."""

from etiket_gui.testing.converter_suite import ConverterBench, ConverterContract, content_of

__all__ = ["ConverterBench", "ConverterContract", "content_of"]
