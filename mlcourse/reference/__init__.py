"""NumPy twins: written to be read. One task at a time, float64, never torch."""
