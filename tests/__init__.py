"""The tests of the program; a package so that ``tests.support`` is found before anybody else's ``tests``."""
