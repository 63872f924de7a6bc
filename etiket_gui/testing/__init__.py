"""The conformance suites that a plug-in of anyone must pass, as a pytest plug-in."""
