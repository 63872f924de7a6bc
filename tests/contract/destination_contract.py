"""What every destination promises: the public conformance suite, under the name the tests of this project know."""

from etiket_gui.testing.destination_suite import DestinationBench, DestinationContract, push, push_all

__all__ = ["DestinationBench", "DestinationContract", "push", "push_all"]
