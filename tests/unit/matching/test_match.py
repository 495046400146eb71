"""The match of a run to a crystal: result, notes, and refused runs."""

from dataclasses import replace

import numpy as np
import pytest
from ase.spacegroup import crystal as ase_crystal

from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import nearest_neighbour
from trajmodes.errors import DataError, UsageError
from trajmodes.matching.match import match
from trajmodes.symmetry.operations import space_group
from trajmodes.units import DALTON


@pytest.fixture(scope="module")
def quartz():
    """α-quartz, left-handed screw: its mirror image is another crystal."""
    places = [(0.4697, 0.0, 0.0), (0.4135, 0.2669, 0.1191)]
    cell = [4.916, 4.916, 5.405, 90, 90, 120]
    atoms = ase_crystal(["Si", "O"], places, spacegroup=154, cellpar=cell)
    masses = atoms.get_masses() * DALTON
    species = tuple(atoms.get_chemical_symbols())
    return Crystal(atoms.cell.array, atoms.get_scaled_positions(), species, masses)


def with_cell(run, cell):
    return replace(run, cells=np.broadcast_to(cell, (run.n_frames, 3, 3)))


def test_diagonal_cell_is_found(crystals, einstein):
    run = einstein(crystals["diamond"], 3 * np.eye(3, dtype=int))
    found = match(crystals["diamond"], run)
    assert (found.supercell.matrix == 3 * np.eye(3)).all()
    assert found.space_group == "Fd-3m"
    assert found.ids[0] == 101
    assert found.spacing == pytest.approx(2.7155 * 0.75**0.5)
    assert found.residual_rms < 0.1
    assert found.notes == ()


def test_one_frame_is_enough(crystals, einstein):
    run = einstein(crystals["wurtzite"], 3 * np.eye(3, dtype=int), n_frames=1)
    found = match(crystals["wurtzite"], run)
    assert sorted(found.permutation) == list(range(run.n_atoms))
    assert np.isnan(found.relaxation_sem)


@pytest.mark.parametrize("name", ["diamond", "bcc", "wurtzite", "triclinic"])
def test_one_cell_is_enough(crystals, einstein, name):
    run = einstein(crystals[name], np.eye(3, dtype=int), temperature=1.0)
    found = match(crystals[name], run)
    assert found.supercell.n_cells == 1
    assert found.residual_max < 0.05


def test_skewed_box_is_found(crystals, einstein):
    matrix = [[4, 0, 0], [3, 4, 0], [-5, 7, 3]]
    found = match(crystals["rock salt"], einstein(crystals["rock salt"], matrix))
    assert round(np.linalg.det(found.supercell.matrix)) == 48
    assert np.abs(found.rotation - np.eye(3)).max() < 1e-9


def test_left_handed_box_is_accepted(crystals, einstein):
    run = einstein(crystals["rock salt"], 2 * np.eye(3, dtype=int))
    found = match(crystals["rock salt"], with_cell(run, run.cells[0][[1, 0, 2]]))
    assert np.linalg.det(found.box) < 0
    assert np.abs(found.supercell.cell + found.box).max() < 1e-9


def test_single_frame_of_hot_crystal(crystals, einstein):
    """Anchors are displaced by several tenths of Å: refinement corrects the first guess."""
    run = einstein(crystals["diamond"], 4 * np.eye(3, dtype=int), n_frames=1, temperature=3000)
    found = match(crystals["diamond"], run)
    assert np.abs(found.strain).max() < 1e-10
    assert 0.2 < found.residual_rms < 0.6


def test_long_thin_box_of_a_hot_crystal(crystals, einstein):
    """Over forty cells the first guess, in error by a tenth, would give four cells too many."""
    run = einstein(crystals["diamond"], np.diag([2, 2, 40]), n_frames=1, temperature=1500)
    found = match(crystals["diamond"], run)
    assert sorted(found.permutation) == list(range(run.n_atoms))
    assert np.abs(found.strain).max() < 1e-10


def test_large_shear_is_found(crystals, einstein):
    strain = np.array([[0.03, 0.02, 0.0], [0.02, -0.03, 0.01], [0.0, 0.01, 0.01]])
    crystal = crystals["rock salt"]
    sheared = replace(crystal, cell=crystal.cell @ (np.eye(3) + strain))
    found = match(crystal, einstein(sheared, [[2, 1, 0], [-1, 2, 1], [0, 1, 3]]))
    assert np.linalg.eigvalsh(found.strain) == pytest.approx(
        np.linalg.eigvalsh(strain), abs=1e-9
    )
    assert any("strained by up to 3.8%" in str(note) for note in found.notes)
    assert any("lowers the symmetry from Fm-3m" in str(note) for note in found.notes)


@pytest.mark.parametrize(
    ("shear", "operations", "said"),
    [
        (0.0, 12, ()),
        (4e-5, 12, ("note: the box of the run deviates from the symmetry P6_3mc by a strain",)),
        (1e-3, 2, ("warning: the box of the run lowers the symmetry from P6_3mc to P2_1",)),
    ],
)
def test_a_shear_within_the_digits_of_a_cell_keeps_the_symmetry(
    crystals, einstein, shear, operations, said
):
    """A tilt that is not scaled with the edges strains a hexagonal box by some 10⁻⁵."""
    crystal = crystals["wurtzite"]
    strain = np.eye(3)
    strain[1, 0] = shear
    run = einstein(replace(crystal, cell=crystal.cell @ strain), 3 * np.eye(3, dtype=int))
    found = match(crystal, run)
    assert space_group(found.supercell.crystal).n_operations == operations
    texts = [f"{note.severity}: {note.text}" for note in found.notes]
    assert all(text.startswith(start) for text, start in zip(texts, said, strict=True))
    assert found.box == pytest.approx(run.cells[0], abs=1e-9)
    assert found.residual_max < 0.1


def test_another_polytype_is_refused(crystals, einstein):
    """Wurtzite and zinc blende differ in the stacking alone, and have equal volumes."""
    wurtzite = crystals["wurtzite"]
    edge = (wurtzite.volume / wurtzite.n_sites) ** (1 / 3)
    blende = replace(
        wurtzite,
        cell=edge * (np.ones((3, 3)) - np.eye(3)),
        sites=np.array([[0.0] * 3, [0.25] * 3]),
        species=("Ga", "N"),
        masses=wurtzite.masses[[0, 2]],
    )
    run = einstein(wurtzite, np.diag([6, 6, 4]))
    with pytest.raises(DataError, match=r"mean positions are 0\.\d+ Å \(rms\) from its sites"):
        match(blende, run)
    found = match(blende, run, accept=("structure",))
    assert any("accepted (--accept structure)" in str(note) for note in found.notes)


def test_free_coordinate_is_relaxed_and_no_other(crystals, einstein):
    """Wurtzite's u is free along c; the x and y of its sites are not."""
    crystal = crystals["wurtzite"]
    sites = crystal.sites.copy()
    sites[2:, 2] += 0.004
    run = einstein(replace(crystal, sites=sites), 3 * np.eye(3, dtype=int), temperature=1.0)
    noise = np.random.default_rng(1).normal(0.0, 0.02, (1, run.n_atoms, 3))
    found = match(crystal, replace(run, positions=run.positions + noise))
    moved = found.relaxation
    assert (moved[:, :2] == 0.0).all()
    assert moved[2, 2] - moved[0, 2] == pytest.approx(0.004 * 5.189, abs=0.01)
    assert moved[2, 2] == moved[3, 2]
    assert found.raw_relaxation_max > 0.5 * np.abs(moved).max()
    assert found.supercell.crystal.sites[2, 2] - crystal.sites[2, 2] == pytest.approx(
        moved[2, 2] / 5.189, rel=1e-9
    )


def test_elements_come_from_masses(crystals, einstein):
    crystal = crystals["rock salt"]
    run = einstein(crystal, 2 * np.eye(3, dtype=int))
    masses = np.tile(crystal.masses, 8) * 1.01
    found = match(crystal, replace(run, species=None, masses=masses))
    assert found.supercell.masses[found.permutation] == pytest.approx(masses)
    assert "differ by up to 1.0% from the cell file" in str(found.notes[0])


def test_elements_come_from_numbers_if_only_one_assignment_fits(crystals, einstein):
    crystal = crystals["triclinic"]
    run = replace(einstein(crystal, 2 * np.eye(3, dtype=int)), velocities=None)
    types = np.tile([2, 3, 1], 8)
    with pytest.raises(UsageError, match="several assignments of elements to types"):
        match(crystals["rock salt"], replace(run, species=None, types=np.tile([1, 2], 12)))
    with pytest.raises(UsageError, match="several assignments of elements to types"):
        match(crystal, replace(run, species=None, types=types))
    types = np.where(types == 2, 2, 1)
    found = match(crystal, replace(run, species=None, types=types))
    assert found.residual_rms < 0.1


def test_type_map_decides(crystals, einstein):
    crystal = crystals["rock salt"]
    run = einstein(crystal, 2 * np.eye(3, dtype=int))
    run = replace(run, species=None, types=np.tile([1, 2], 8))
    assert match(crystal, run, type_map={1: "Na", 2: "Cl"}).residual_rms < 0.1
    with pytest.raises(UsageError, match="no element is given for atom types 2"):
        match(crystal, run, type_map={1: "Na"})
    with pytest.raises(UsageError, match="has no types"):
        match(crystal, replace(run, types=None), type_map={1: "Na", 2: "Cl"})


def test_unknown_elements_are_refused(crystals, einstein):
    run = einstein(crystals["rock salt"], 2 * np.eye(3, dtype=int))
    with pytest.raises(UsageError, match="does not contain the elements"):
        match(crystals["rock salt"], replace(run, species=None))
    one = einstein(crystals["bcc"], 3 * np.eye(3, dtype=int))
    assert match(crystals["bcc"], replace(one, species=None)).residual_rms < 0.1


def test_foreign_masses_are_refused(crystals, einstein):
    run = einstein(crystals["rock salt"], 2 * np.eye(3, dtype=int))
    masses = np.tile([24.305, 79.904], 8) * DALTON
    with pytest.raises(DataError, match=r"masses of 79.904 u belong to no element"):
        match(crystals["rock salt"], replace(run, species=None, masses=masses))


def test_mirror_image_is_refused(quartz, einstein):
    run = einstein(quartz, 2 * np.eye(3, dtype=int), temperature=100.0)
    assert match(quartz, run).residual_rms < 0.1
    flip = np.diag([1.0, 1.0, -1.0])
    mirrored = replace(run, positions=run.positions @ flip, cells=run.cells @ flip)
    with pytest.raises(DataError, match="mirror image of the crystal"):
        match(quartz, mirrored)


def test_wrong_volume_is_refused(crystals, einstein):
    run = einstein(crystals["diamond"], 2 * np.eye(3, dtype=int))
    small = replace(crystals["diamond"], cell=crystals["diamond"].cell / 1.1)
    with pytest.raises(DataError, match=r"lengths differ by \+10.0%"):
        match(small, run)


def test_an_accepted_volume_scales_the_crystal(crystals, einstein):
    run = einstein(crystals["wurtzite"], np.diag([3, 3, 2]))
    small = replace(crystals["wurtzite"], cell=crystals["wurtzite"].cell / 1.1)
    found, same = match(small, run, accept=["volume"]), match(crystals["wurtzite"], run)
    assert found.strain == pytest.approx(1.1 * (np.eye(3) + same.strain) - np.eye(3), abs=1e-9)
    assert found.supercell.crystal.cell == pytest.approx(same.supercell.crystal.cell, abs=1e-9)
    assert (found.permutation == same.permutation).all()
    [note] = [note for note in found.notes if note.subject == "volume"]
    assert note.severity == "warning"
    assert "accepted (--accept volume)" in note.text


def test_wrong_composition_is_refused(crystals, einstein):
    run = einstein(crystals["diamond"], 2 * np.eye(3, dtype=int))
    with pytest.raises(DataError, match="run: 16 Si; cell: 1 Cl, 1 Na"):
        match(crystals["rock salt"], run)


def test_wrong_structure_is_refused(crystals, einstein):
    """Caesium chloride at the volume of rock salt."""
    rock_salt = crystals["rock salt"]
    cell = np.eye(3) * rock_salt.volume ** (1 / 3)
    other = replace(rock_salt, cell=cell)
    run = einstein(rock_salt, 3 * np.eye(3, dtype=int))
    with pytest.raises(DataError, match=r"is not that of the cell file|not one to one"):
        match(other, run)


@pytest.mark.parametrize(("width", "seed"), [(0.8, 1), (5.0, 0), (5.0, 4)])
def test_a_liquid_is_refused(einstein, width, seed):
    """In these, two or three vectors of the right lengths between atoms are the same."""
    cell = 2.03 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    aluminium = Crystal(cell, np.zeros((1, 3)), ("Al",), np.array([26.98]) * DALTON)
    run = einstein(aluminium, 4 * np.eye(3, dtype=int), n_frames=1)
    shifts = width * np.random.default_rng(seed).normal(size=run.positions[0].shape)
    with pytest.raises(DataError, match="a phase transition occurred, the run is a liquid"):
        match(aluminium, replace(run, positions=run.positions + shifts))


def test_interchanged_elements_are_refused(crystals, einstein):
    crystal = crystals["rock salt"]
    run = einstein(crystal, 3 * np.eye(3, dtype=int))
    species = list(run.species)
    species[0], species[3] = species[3], species[0]
    with pytest.raises(DataError, match=r"not one to one.*2 of 54 sites(.|\n)*atom 10[14]"):
        match(crystal, replace(run, species=tuple(species)))


def test_hopped_atom_is_refused(crystals, einstein):
    crystal = crystals["bcc"]
    run = einstein(crystal, 4 * np.eye(3, dtype=int))
    positions = run.positions.copy()
    positions[:, 17] = positions[:, 40] + [0.3, 0.9, 0.2]
    with pytest.raises(DataError, match=r"not one to one(.|\n)*atom 118 \(Fe\)"):
        match(crystal, replace(run, positions=positions))


def test_changing_box_is_refused(crystals, einstein):
    run = einstein(crystals["bcc"], 3 * np.eye(3, dtype=int))
    growth = 1.0 + 1e-4 * np.arange(run.n_frames)[:, None, None]
    with pytest.raises(DataError, match=r"the box changes in time, by up to 0\.11 %"):
        match(crystals["bcc"], replace(run, cells=run.cells * growth))


def test_isotopes_on_one_site_are_refused(crystals, einstein):
    run = einstein(crystals["bcc"], 3 * np.eye(3, dtype=int))
    masses = np.full(27, 55.845 * DALTON)
    masses[3] *= 1.02
    mixed = replace(run, masses=masses)
    with pytest.raises(DataError, match="equivalent sites differ in mass by"):
        match(crystals["bcc"], mixed)
    found = match(crystals["bcc"], mixed, accept=["masses"])
    assert found.supercell.masses == pytest.approx(masses.mean())
    assert any("accepted (--accept masses)" in note.text for note in found.notes)


def test_nearest_neighbour_of_a_skewed_cell():
    cell = np.array([[2.0, 0.0, 0.0], [9.0, 3.0, 0.0], [-7.0, 8.0, 4.0]])
    crystal = Crystal(cell, np.zeros((1, 3)), ("Fe",), np.ones(1))
    assert nearest_neighbour(crystal) == pytest.approx(2.0)
