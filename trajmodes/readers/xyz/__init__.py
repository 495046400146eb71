"""Plain and extended XYZ files: find the frames, understand comments and columns."""
