"""Runs of velocities alone: the sites of their atoms come from a structure."""
