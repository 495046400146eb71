"""From force constants to phonons.

In: `ForceConstants`, and q points from `qpoints` (commensurate with a supercell, along a band
path, on a mesh). Out: `Modes` with error bars and sets of symmetry-equal modes
(`diagonalize`), or `Bands` along a path (`bands`); what the errors allow one to say
(`stability`, `run_length`); and from cubic constants how modes answer to strain (`gruneisen`,
whose mathematics is in `strain` and `strain_response`) and the linewidths of perturbation
theory (`linewidths`). What a run measured becomes force constants again (`renormalised`, from
frequencies; `green_function`, from covariances) or a thermal conductivity (`conductivity`, with
`velocities`, `lifetime_mesh` and `heat_flow`). Open `dynamical_matrix` first: it states the
phase convention.
"""
