"""Free energy of a potential, minimised over cell and sites: the quasiharmonic crystal.

In: a potential and a crystal. Out: the crystal that minimises G(T, P), with thermal expansion,
moduli and heat capacities. Open `coordinates` first, which has the symmetric strains and
displacements. `local` expands the energy and D(q) about a structure, `minimum` finds the
minimum of a scheme, `following` continues to the next temperature, and `ramp` tabulates minima
by temperature and pressure.
"""
