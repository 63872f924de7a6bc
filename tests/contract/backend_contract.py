"""What every backend promises: the public conformance suite, under the name the tests of this project know."""

from etiket_gui.testing.backend_suite import BackendContract, SourceBench

__all__ = ["BackendContract", "SourceBench"]
