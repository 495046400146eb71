"""Results of displacements alone, without velocities."""
