"""Figures of potentials and of the constants of neighbour shells."""
