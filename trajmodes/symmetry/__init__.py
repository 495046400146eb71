"""What symmetry says before any data is read.

In: a `Crystal`, a supercell matrix, a cutoff. Out: canonical supercells and their lattice
Fourier transforms (`translations`), space-group operations (`operations`), orbits of clusters
(`clusters`) and the constraints that sum rules add (`constraints`). Open `translations` first.
"""

from trajmodes.symmetry.clusters import (
    Orbits,
    inscribed_radius,
    pair_orbits,
    supercell_pair_orbits,
)
from trajmodes.symmetry.constraints import SymmetryBasis, symmetry_basis
from trajmodes.symmetry.operations import (
    SpaceGroup,
    invariant_part,
    space_group,
    supercell_group,
)
from trajmodes.symmetry.stars import star_images, star_labels
from trajmodes.symmetry.translations import (
    HalfSpace,
    build_supercell,
    cell_rank,
    half_space,
    lattice_transform,
    smith_normal_form,
)

__all__ = [
    "HalfSpace",
    "Orbits",
    "SpaceGroup",
    "SymmetryBasis",
    "build_supercell",
    "cell_rank",
    "half_space",
    "inscribed_radius",
    "invariant_part",
    "lattice_transform",
    "pair_orbits",
    "smith_normal_form",
    "space_group",
    "star_images",
    "star_labels",
    "supercell_group",
    "supercell_pair_orbits",
    "symmetry_basis",
]
