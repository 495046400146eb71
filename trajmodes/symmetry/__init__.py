"""What symmetry says before any data is read.

In: a `Crystal`, a supercell matrix, a cutoff. Out: canonical supercells and their lattice
Fourier transforms (`translations`), space-group operations (`operations`), orbits of clusters
(`clusters`, `supercell_pairs`) within `cutoffs`, the constants that symmetry allows on them
(`tensors`) and the relations that sum rules add (`constraints`). Open `translations` first.
"""

from trajmodes.symmetry.clusters import Orbits, cluster_orbits, inscribed_radius, pair_orbits
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.cutoffs import Cutoff, parse_cutoff
from trajmodes.symmetry.operations import (
    SpaceGroup,
    invariant_part,
    space_group,
    supercell_group,
)
from trajmodes.symmetry.stars import star_images, star_labels
from trajmodes.symmetry.supercell_pairs import supercell_pair_orbits
from trajmodes.symmetry.tensors import SymmetryBasis, symmetry_basis
from trajmodes.symmetry.translations import (
    HalfSpace,
    atom_at,
    build_supercell,
    cell_rank,
    half_space,
    lattice_transform,
    smith_normal_form,
)

__all__ = [
    "Constraints",
    "Cutoff",
    "HalfSpace",
    "Orbits",
    "SpaceGroup",
    "SymmetryBasis",
    "atom_at",
    "build_supercell",
    "cell_rank",
    "cluster_orbits",
    "constraint_rows",
    "half_space",
    "inscribed_radius",
    "invariant_part",
    "lattice_transform",
    "null_space",
    "pair_orbits",
    "parse_cutoff",
    "smith_normal_form",
    "space_group",
    "star_images",
    "star_labels",
    "supercell_group",
    "supercell_pair_orbits",
    "symmetry_basis",
]
