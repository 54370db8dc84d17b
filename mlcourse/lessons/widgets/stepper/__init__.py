"""`Stepper`: through the inner and the outer loop step by step: its loops, its words, its picture."""
