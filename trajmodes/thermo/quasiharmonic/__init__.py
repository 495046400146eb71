"""Quasiharmonic properties: the free energy as a function of volume and temperature.

In: force constants at several volumes, and the energy of the crystal without vibrations at
each. Out: the classes of `trajmodes.data.quasiharmonic`. Open `properties` first: it composes
the rest.

- `volume_functions`: free energy, entropy and heat capacity at one volume
- `equations_of_state`: their interpolation between volumes
- `cells`: whether cells are along a line, or a and c of a uniaxial crystal are free
- `axis_forms`: F, S and C_V as polynomials in ln a and ln c
- `axis_equilibrium`: a and c at temperature and pressure, and properties derived from them
- `equilibrium`: the volume at temperature and pressure, and properties derived from it
- `stationary`: Newton's method and first-order errors for both
- `properties`: all of these, with errors and a comparison of equations of state
- `mode_gruneisen`: Grüneisen parameters of modes from the change of D(q) with volume
- `phases`: the temperature at which two phases have the same Gibbs free energy
"""
