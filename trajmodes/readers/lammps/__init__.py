"""LAMMPS text dumps: find the frames, understand headers and columns, read the numbers."""
