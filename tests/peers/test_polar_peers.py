"""Polar crystals against phonopy's Gonze–Lee and against LAMMPS with its Ewald sum."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import phonopy
import pytest
from phonopy.physical_units import get_physical_units

from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.harmonic import ForceCovariance, harmonic_equations
from trajmodes.formats.dipoles import with_charges
from trajmodes.formats.phonopy import to_phonopy
from trajmodes.formats.registry import read_force_constants, write_force_constants
from trajmodes.phonons.anharmonic.linewidths import perturbative_linewidths
from trajmodes.phonons.bands import dispersion, group_velocities
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space
from trajmodes.thermo.dielectric import lo_to_splitting, static_dielectric
from trajmodes.thermo.elasticity import elasticity
from trajmodes.units import DALTON, GIGAPASCAL, THZ

pytestmark = pytest.mark.peer

# Older values of e and u in phonopy.
PHONOPY_THZ = get_physical_units().DefaultToTHz * np.sqrt(DALTON) * THZ
CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
EDGE = 5.64


@pytest.mark.parametrize("name", ["rock salt", "wurtzite", "rutile"])
def test_bands_with_born_charges_are_those_of_phonopy(
    name, crystals, springs, charges_of, tmp_path
):
    """Whole force constants and a BORN file give phonopy's bands, also beside Γ."""
    crystal = crystals[name]
    supercell = build_supercell(crystal, np.diag([5, 5, 5] if name == "rock salt" else [4] * 3))
    charges = charges_of(crystal)
    whole = replace(springs(crystal, 4.0, 5.0), charges=charges)
    write_force_constants(whole, supercell, tmp_path, "phonopy")
    (tmp_path / "phonopy_params.yaml").unlink()
    peer = to_phonopy(whole, supercell)
    # phonopy's default sums end where their Gaussian is 1e-10.
    peer.nac_params = {**peer.nac_params, "G_cutoff": 2.5, "Lambda": _width(peer, 2.5)}
    ours = read_force_constants(tmp_path, supercell=supercell)
    path = band_path(crystal, 0.15)
    bands = dispersion(ours, path)
    for start, stop in zip(path.offsets[:-1], path.offsets[1:], strict=True):
        q = path.qpoints[start:stop]
        peer.run_band_structure([q])
        (theirs,) = peer.band_structure.frequencies
        found, wanted = bands.omega[start:stop] / THZ, theirs / PHONOPY_THZ
        # The root of a zero ω² is rounding at Γ.
        rest = np.maximum(np.abs(found), np.abs(wanted)) < 1e-5
        assert rest.sum() <= 6
        np.testing.assert_allclose(found[~rest], wanted[~rest], rtol=0, atol=1e-6)


def _width(peer: phonopy.Phonopy, cutoff: float) -> float:
    mean = np.trace(peer.nac_params["dielectric"]) / 3.0
    return float(np.sqrt(cutoff**2 * mean / 4.0 / 30.0))


def test_group_velocities_are_those_of_phonopy(crystals, springs, charges_of):
    crystal = crystals["rock salt"]
    supercell = build_supercell(crystal, np.diag([5, 5, 5]))
    constants = replace(springs(crystal, 4.0, 5.0), charges=charges_of(crystal))
    peer = to_phonopy(constants, supercell)
    q = np.array([[0.05, 0.02, 0.01], [0.21, 0.13, -0.37]])
    peer.run_qpoints(q, with_group_velocities=True)
    found = group_velocities(constants, q)
    np.testing.assert_allclose(
        found.velocity, peer.qpoints.group_velocities * THZ / PHONOPY_THZ / THZ, atol=2e-3
    )


SALT = """
units metal
atom_style charge
boundary p p p
read_data crystal.data
pair_style born/coul/long 8.0
pair_coeff 1 1 0.2637 0.317 2.340 1.0486 -0.4993
pair_coeff 1 2 0.2110 0.317 2.755 6.9906 -8.6758
pair_coeff 2 2 0.1582 0.317 3.170 72.4022 -145.4285
pair_modify table 0
kspace_style ewald 1.0e-9
dump forces all custom 1 forces.lammpstrj id fx fy fz
dump_modify forces sort id format float %.17g
rerun moved.lammpstrj dump x y z box no
"""


@pytest.fixture(scope="module")
def salt():
    """NaCl with the lattice constant of the potential near rest, and its point charges."""
    crystal = Crystal(
        0.5 * EDGE * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
        np.array([[0, 0, 0], [0.5, 0.5, 0.5]]),
        ("Na", "Cl"),
        np.array([22.98977, 35.453]) * DALTON,
    )
    born = np.array([1.0, -1.0])[:, None, None] * np.eye(3)
    return crystal, Charges(born, np.eye(3))


@pytest.fixture(scope="module")
def forces_of(tmp_path_factory):
    """``forces_of(supercell, u_tax)`` are forces of LAMMPS in an orthorhombic supercell."""
    program = shutil.which("lmp")
    if program is None:
        pytest.skip("needs LAMMPS")

    def run(supercell, u_tax):
        folder = tmp_path_factory.mktemp("salt")
        edges, n_atoms = np.diag(supercell.cell), supercell.n_atoms
        rows = zip(supercell.site_index, supercell.positions % edges, strict=True)
        atoms = [
            f"{k} {site + 1} {1 - 2 * site} {x!r} {y!r} {z!r}"
            for k, (site, (x, y, z)) in enumerate(rows, start=1)
        ]
        sides = [f"0 {e!r} {x}lo {x}hi" for e, x in zip(edges.tolist(), "xyz", strict=True)]
        head = ["salt", "", f"{n_atoms} atoms", "2 atom types", *sides, "", "Masses", ""]
        head += ["1 22.98977", "2 35.453", "", "Atoms # charge", ""]
        text = "\n".join([*head, *atoms]).replace("np.float64(", "").replace(")", "")
        (folder / "crystal.data").write_text(text + "\n")
        with (folder / "moved.lammpstrj").open("w") as file:
            for step, u_ax in enumerate(u_tax):
                file.write(f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{n_atoms}\n")
                file.write("ITEM: BOX BOUNDS pp pp pp\n")
                file.writelines(f"0 {e!r}\n" for e in edges.tolist())
                file.write("ITEM: ATOMS id x y z\n")
                places = supercell.positions % edges + u_ax
                table = np.column_stack([np.arange(1, n_atoms + 1), places])
                np.savetxt(file, table, fmt="%d %.17g %.17g %.17g")
        (folder / "in.salt").write_text(SALT)
        done = subprocess.run(
            [program, "-in", "in.salt", "-log", "none", "-screen", "none"],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
        lines = (folder / "forces.lammpstrj").read_text().splitlines()
        numbers = [row for k, row in enumerate(lines) if k % (n_atoms + 9) >= 9]
        return np.loadtxt(numbers).reshape(-1, n_atoms, 4)[:, :, 1:]

    return run


@pytest.fixture(scope="module")
def covariances(salt, forces_of):
    """Sums over frames of 216 atoms with small random displacements."""
    supercell = build_supercell(salt[0], 3 * CONVENTIONAL)
    u_tax = 1e-3 * np.random.default_rng(0).normal(size=(12, supercell.n_atoms, 3))
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    reduction = ForceCovariance(half_space(supercell), len(u_tax), 4)
    f_tax = forces_of(supercell, u_tax)
    return reduction.finalize(reduction.chunk(MotionBlock(0, u_tax, None, f_tax)))


def _fit(covariances, radius):
    supercell = covariances.space.supercell
    group = space_group(supercell.crystal)
    expansion = expansion_of(group, supercell, {2: Cutoff(radius)})
    return fit_equations(harmonic_equations(covariances, expansion)).constants


@pytest.mark.parametrize("radius", [6.0, 7.0])
def test_short_cutoffs_describe_point_charges_ten_times_better(radius, covariances, salt):
    plain = _fit(covariances, radius)
    polar = _fit(covariances.without_dipoles(salt[1]), radius)
    assert polar.quality.rms_residual < 0.1 * plain.quality.rms_residual
    assert polar.quality.rms_force == pytest.approx(plain.quality.rms_force)


def _frequencies_along(axis_cells, q, salt, forces_of):
    """Frequencies in THz at q from finite differences in an elongated supercell."""
    crystal, _ = salt
    supercell = build_supercell(crystal, np.diag(axis_cells) @ CONVENTIONAL)
    step = 1e-3
    moves = np.zeros((12, supercell.n_atoms, 3))
    for k in range(6):
        moves[2 * k, k // 3, k % 3] = step
        moves[2 * k + 1, k // 3, k % 3] = -step
    f_tax = forces_of(supercell, moves)
    phi = -(f_tax[::2] - f_tax[1::2]) / (2.0 * step)
    k_x = 2.0 * np.pi * np.linalg.inv(crystal.cell) @ q
    apart = supercell.positions[:, None] - supercell.positions[None, :2]
    phase_ab = np.exp(1j * apart @ k_x)
    d = np.zeros((2, 3, 2, 3), dtype=complex)
    for atom in range(supercell.n_atoms):
        for b in range(2):
            d[b, :, atom % 2] += phi[3 * b : 3 * b + 3, atom] * phase_ab[atom, b]
    root = np.repeat(np.sqrt(crystal.masses), 3)
    matrix = d.reshape(6, 6) / np.outer(root, root)
    return np.sqrt(np.abs(np.linalg.eigvalsh(0.5 * (matrix + matrix.conj().T)))) / THZ


def test_lo_and_to_approach_gamma_as_in_lammps(covariances, salt, forces_of):
    """Fit of a cubic cell; finite differences of LAMMPS at small q along [001]."""
    constants = _fit(covariances.without_dipoles(salt[1]), 8.0)
    for n in (6, 12):
        q = np.array([0.5, 0.5, 0.0]) / n
        theirs = _frequencies_along([2, 2, n], q, salt, forces_of)
        ours = frequencies_at(constants, q[None])[0][0] / THZ
        np.testing.assert_allclose(ours, theirs, atol=5e-3)
    # In the periodic cell without a direction there is no splitting: the optic modes of
    # finite differences at Γ are the transverse ones.
    at_rest = _frequencies_along([3, 3, 3], np.zeros(3), salt, forces_of)
    bare = frequencies_at(constants, [[0, 0, 0]])[0][0] / THZ
    np.testing.assert_allclose(bare[3:], at_rest[3:], atol=5e-3)
    # With a direction, two transverse and the longitudinal one, for every direction alike.
    towards = np.array([[0, 0, 1], [1, 1, 0], [1, 2, 3.0]])
    split = frequencies_at(constants, np.zeros((3, 3)), towards)[0] / THZ
    np.testing.assert_allclose(split[:, 3:5], bare[3:5][None].repeat(3, 0), atol=1e-9)
    near = np.array([0.5, 0.5, 0.0]) / 400
    limit = frequencies_at(constants, near[None])[0][0] / THZ
    np.testing.assert_allclose(split[:, 5], limit[5], atol=1e-3)
    found = lo_to_splitting(constants, [0, 0, 1])
    np.testing.assert_allclose(found.longitudinal[-1] / THZ, split[0, 5], atol=1e-9)
    ratio = (split[0, 5] / bare[3]) ** 2
    np.testing.assert_allclose(static_dielectric(constants), ratio * np.eye(3), atol=1e-9)


STRAINED = """
clear
units metal
atom_style charge
boundary p p p
lattice custom {edge} a1 1 0 0 a2 0 1 0 a3 0 0 1 &
  basis 0 0 0 basis .5 .5 0 basis .5 0 .5 basis 0 .5 .5 &
  basis .5 0 0 basis 0 .5 0 basis 0 0 .5 basis .5 .5 .5
region box prism 0 2 0 2 0 2 0 0 0
create_box 2 box
create_atoms 2 box basis 1 1 basis 2 1 basis 3 1 basis 4 1
mass 1 22.98977
mass 2 35.453
set type 1 charge 1.0
set type 2 charge -1.0
{potential}
change_box all x scale {x} xy delta {xy} remap units box
run 0
print "$(-pxx:%.12g) $(-pyy:%.12g) $(-pxy:%.12g)" append stress.txt
"""


def test_elastic_constants_are_those_of_the_stress_of_lammps(covariances, salt, tmp_path):
    """Differences of the stress between small strains; sites of rock salt do not relax."""
    program = shutil.which("lmp")
    if program is None:
        pytest.skip("needs LAMMPS")
    step = 1e-3
    potential = "\n".join(
        line for line in SALT.splitlines() if line.startswith(("pair", "kspace"))
    )
    tilt = 2.0 * EDGE * step
    text = "".join(
        STRAINED.format(edge=EDGE, potential=potential, x=x, xy=xy)
        for x, xy in ((1.0 + step, 0.0), (1.0 - step, 0.0), (1.0, tilt), (1.0, -tilt))
    )
    (tmp_path / "in.strained").write_text(text)
    subprocess.run(
        [program, "-in", "in.strained", "-log", "none", "-screen", "none"],
        cwd=tmp_path,
        check=True,
        timeout=300,
    )
    stress = 1e-4 * np.loadtxt(tmp_path / "stress.txt")  # bar to GPa
    longer, shorter, left, right = stress
    c11, c12 = (longer - shorter)[:2] / (2.0 * step)
    c44 = (left - right)[2] / (2.0 * step)
    constants = _fit(covariances.without_dipoles(salt[1]), 8.0)
    found = elasticity(constants).stiffness / GIGAPASCAL
    # The forces of displaced atoms are anharmonic to one part in a thousand.
    wanted = np.array([c11, c12, c44])
    np.testing.assert_allclose(found[[0, 0, 3], [0, 1, 3]], wanted, rtol=5e-3)
    short = elasticity(replace(constants, charges=None)).stiffness / GIGAPASCAL
    assert (np.abs(short[[0, 0, 3], [0, 1, 3]] / wanted - 1.0) > 0.1).all()


def test_whole_constants_with_given_charges_are_those_of_the_polar_fit(covariances, salt):
    """Charges given after a fit of all pairs in the supercell: the same bands."""
    supercell = covariances.space.supercell
    expansion = expansion_of(space_group(salt[0]), supercell, {2: "supercell"})
    whole = fit_equations(harmonic_equations(covariances, expansion)).constants
    late = with_charges(whole, supercell, salt[1])
    early = _fit(covariances.without_dipoles(salt[1]), 8.0)
    q = np.random.default_rng(1).uniform(-0.5, 0.5, (5, 3))
    np.testing.assert_allclose(
        frequencies_at(late, q)[0] / THZ, frequencies_at(early, q)[0] / THZ, atol=0.02
    )


@pytest.mark.parametrize("cutoff", [4.0, None])
@pytest.mark.parametrize("name", ["rock salt", "wurtzite"])
def test_phono3py_has_the_same_frequencies(name, cutoff, crystals, springs, charges_of):
    """`perturbative_linewidths` compares all frequencies, and refuses others."""
    pytest.importorskip("phono3py")
    crystal = crystals[name]
    # Some cubic terms on one site, so that widths are not zero.
    cubic = ClusterConstants(
        np.zeros((1, 3), int), np.zeros((1, 3, 3), int), np.ones((1, 3, 3, 3))
    )
    constants = replace(
        springs(crystal, 4.0, 5.0),
        charges=charges_of(crystal),
        triplets=cubic,
        cutoff=cutoff,
    )
    supercell = build_supercell(
        crystal, np.diag([4, 4, 4] if name == "rock salt" else [3, 3, 2])
    )
    found = perturbative_linewidths(constants, supercell, (4, 4, 2), 300.0)
    assert found.omega.max() > 1.0
