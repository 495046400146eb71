"""Jobs on the thermal equilibrium of force constants: configurations, and phonons."""
