"""Force constants of runs without forces."""
