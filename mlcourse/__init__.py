"""A course on meta-learning, as a package small enough to read in an evening.

Importing it loads nothing heavy: `mlcourse.reference` brings NumPy, `mlcourse.fast` brings PyTorch.
"""

__version__ = "0.1.0"
