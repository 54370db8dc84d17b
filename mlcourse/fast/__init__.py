"""PyTorch twins: written to be run. The same names as in `mlcourse.reference`, any device."""
