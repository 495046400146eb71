import numpy as np
import pytest

from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.rows import fill_rows, force_maps
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, cell_rank

CASES = {
    "diamond": (np.diag([2, 2, 2]), {2: 3.7, 3: 3.7, 4: 2.5}),
    "wurtzite": (np.diag([2, 2, 2]), {2: 3.1, 3: 3.1, 4: 2.1}),
    "triclinic": ([[3, 1, 0], [0, 2, 0], [0, -1, 2]], {2: 4.0, 3: 2.6, 4: 2.2}),
}


def columns_by_clusters(expansion, supercell, site, u_ax):
    """(z, c, 3) force on a site in each cell for each parameter, cluster by cluster."""
    n_sites, n_cells = supercell.crystal.n_sites, supercell.n_cells
    atoms = np.arange(n_cells) * n_sites + site
    columns = []
    for basis in expansion:
        orbits, factor = basis.orbits, [1.0, 1.0, 0.5, 1.0 / 6.0][basis.order - 1]
        clusters = np.flatnonzero(orbits.sites[:, 0] == site)
        values = basis.expand(np.eye(basis.n_parameters))[:, clusters]
        force = np.zeros((basis.n_parameters, n_cells, 3))
        for c, cluster in enumerate(clusters):
            cells = supercell.cells[:, None] + orbits.lattice[cluster]
            members = cell_rank(supercell, cells) * n_sites + orbits.sites[cluster]
            part = np.repeat(values[:, None, c], n_cells, axis=1)
            for k in range(basis.order - 1, 0, -1):
                moved = u_ax[members[:, k]] - u_ax[atoms]
                part = np.einsum("zc...y,cy->zc...", part, moved)
            force -= factor * part
        columns.append(force)
    return np.concatenate(columns)


def rows_of(table, u_axt, f_axt, atoms, cells):
    rows = np.full((len(table.columns) + 1, len(cells), 3, u_axt.shape[2]), np.nan)
    fill_rows(table, u_axt, f_axt, atoms, cells, rows)
    return rows


@pytest.mark.parametrize("name", CASES)
def test_rows_are_the_forces_of_single_parameters(crystals, name):
    matrix, cutoffs = CASES[name]
    supercell = build_supercell(crystals[name], matrix)
    expansion = expansion_of(space_group(crystals[name]), supercell, cutoffs)
    rng = np.random.default_rng(0)
    u_axt, f_axt = rng.normal(size=(2, supercell.n_atoms, 3, 3))
    cells = np.arange(supercell.n_cells)
    for table in force_maps(expansion, supercell):
        atoms = cells * supercell.crystal.n_sites + table.site
        rows = rows_of(table, u_axt, f_axt, atoms, cells)
        np.testing.assert_array_equal(rows[-1], f_axt[atoms])
        for t in range(3):
            expected = columns_by_clusters(expansion, supercell, table.site, u_axt[:, :, t])
            np.testing.assert_allclose(rows[:-1, :, :, t], expected[table.columns], atol=1e-12)
            # parameters without a column exert no force on this site
            others = np.setdiff1d(np.arange(expansion.n_parameters), table.columns)
            assert np.abs(expected[others]).max(initial=0.0) < 1e-12


def test_force_maps_are_padded_and_consistent(crystals):
    matrix, cutoffs = CASES["wurtzite"]
    supercell = build_supercell(crystals["wurtzite"], matrix)
    expansion = expansion_of(space_group(crystals["wurtzite"]), supercell, cutoffs)
    for table in force_maps(expansion, supercell):
        assert (np.diff(table.bounds) % 4 == 0).all()
        assert table.bounds[-1] == len(table.monomials) == len(table.factors)
        assert table.monomials.max() < table.n_monomials
        # every product has earlier factors
        first = table.n_monomials - len(table.products)
        assert (table.products < first + np.arange(len(table.products))[:, None]).all()
        assert len(np.unique(table.products, axis=0)) == len(table.products)
        # the atom itself is no neighbour
        own = np.arange(supercell.n_cells)[:, None] * 4 + table.site
        assert (table.neighbours != own).all()


def test_rows_of_some_cells_equal_those_of_all(crystals):
    matrix, cutoffs = CASES["diamond"]
    supercell = build_supercell(crystals["diamond"], matrix)
    expansion = expansion_of(space_group(crystals["diamond"]), supercell, cutoffs)
    table = force_maps(expansion, supercell)[1]
    frames = np.random.default_rng(1).normal(size=(2, supercell.n_atoms, 3, 5))
    cells = np.arange(supercell.n_cells)
    atoms = cells * 2 + 1
    whole = rows_of(table, *frames, atoms, cells)
    part = rows_of(table, *frames, atoms[3:6], cells[3:6])
    np.testing.assert_array_equal(part, whole[:, 3:6])
