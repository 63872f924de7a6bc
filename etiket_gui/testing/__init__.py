"""The conformance suites as a pytest plug-in for authors of backends, converters and destinations.

Nothing of the program imports it, so pytest is needed where plug-ins are tested and nowhere else. A suite is a class:
derive a ``Test…`` class from it in a test module and give it a ``bench`` fixture.
"""
