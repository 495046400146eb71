"""lineshape."""
