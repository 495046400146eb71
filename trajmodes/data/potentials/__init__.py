"""Results of potentials, and Born–von Kármán constants of neighbour shells."""
