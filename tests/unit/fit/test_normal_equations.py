import numpy as np
import pytest

from trajmodes.fit.normal_equations import normal_equations
from trajmodes.symmetry import (
    build_supercell,
    pair_orbits,
    space_group,
    supercell_pair_orbits,
    symmetry_basis,
)


@pytest.mark.parametrize("name", ["wurtzite", "triclinic"])
@pytest.mark.parametrize("whole", [False, True])
def test_sums_equal_those_of_the_design_matrix(
    crystals, hessian_of, reduce_frames, random_frames, name, whole
):
    crystal = crystals[name]
    supercell = build_supercell(crystal, [[2, 0, 0], [0, 3, 0], [0, 1, 2]])
    group = space_group(crystal)
    orbits = supercell_pair_orbits(group, supercell) if whole else pair_orbits(group, 3.2)
    basis = symmetry_basis(orbits)
    u_tax, f_tax = random_frames(supercell, 5)
    equations = normal_equations(reduce_frames(supercell, u_tax, f_tax, n_blocks=2), basis)
    # column n: forces of constants with the parameter n alone
    design_ntx = np.stack(
        [
            -u_tax.reshape(5, -1) @ hessian_of(basis.constants(unit), supercell)
            for unit in np.eye(basis.n_parameters)[:25]
        ]
    )
    for b, frames in enumerate([slice(0, 3), slice(3, 5)]):
        rows_nr = design_ntx[:, frames].reshape(len(design_ntx), -1)
        n = len(rows_nr)
        np.testing.assert_allclose(equations.gram[b, :n, :n], rows_nr @ rows_nr.T, atol=1e-9)
        np.testing.assert_allclose(
            equations.moment[b, :n], rows_nr @ f_tax[frames].ravel(), atol=1e-9
        )


def test_merging_blocks_adds_them(wurtzite, reduce_frames, random_frames):
    basis = symmetry_basis(pair_orbits(space_group(wurtzite.crystal), 3.5))
    frames = random_frames(wurtzite, 20)
    five, two = (
        normal_equations(reduce_frames(wurtzite, *frames, n_blocks=n), basis) for n in (4, 2)
    )
    merged = five.merged(2)
    np.testing.assert_allclose(merged.gram, two.gram, atol=1e-9)
    np.testing.assert_allclose(merged.moment, two.moment, atol=1e-10)
    np.testing.assert_array_equal(merged.frames, two.frames)
