"""Trajectories as other programs write them, made of ASE Atoms by their documented layouts."""
