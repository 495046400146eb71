"""Effects of cubic anharmonicity from force constants of third order.

In: `trajmodes.data.force_constants.ForceConstants` of both orders, and lifetimes of a run. Out:
Grüneisen parameters, linewidths, spectral functions, thermal conductivity. Open `three_phonon`
first, which describes the use of phono3py and the classical limit.

- `gruneisen`: Grüneisen parameters
- `linewidths`: linewidths of three-phonon scattering at the frequencies of the modes
- `self_energy`, `spectral_function`: the scattering at all frequencies, and the form of lines
- `conductivity`: thermal conductivity from the lifetimes of a run, with linewidths interpolated
  to any q by `lifetime_mesh`
"""
