"""Tests of the notebooks: their exercises, their anatomy."""
