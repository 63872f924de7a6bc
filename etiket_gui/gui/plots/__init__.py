"""Plots of running measurements, with pyqtgraph."""
