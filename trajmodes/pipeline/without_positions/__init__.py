"""Runs of velocities alone: the structure of the job that gives the sites of their atoms."""
