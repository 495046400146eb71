"""From force constants of third order to what cubic anharmonicity changes.

In: `trajmodes.data.force_constants.ForceConstants` of both orders, and lifetimes of a run. Out:
Grüneisen parameters, linewidths, thermal conductivity. Open `linewidths` first: it says how
phono3py is driven and what the classical limit is.

- `gruneisen`: Grüneisen parameters
- `linewidths`: linewidths of three-phonon scattering in perturbation theory
- `conductivity`: thermal conductivity from the lifetimes of a run, with linewidths interpolated
  to any q by `lifetime_mesh`
"""
