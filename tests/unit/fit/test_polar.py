"""Fits of crystals with charges: dipole–dipole forces are subtracted before the fit."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.coulomb.supercells import dipole_forces
from trajmodes.data.charges import Charges
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations, scan_equations
from trajmodes.fit.force_noise import centred, whole_matrices
from trajmodes.fit.harmonic import harmonic_equations
from trajmodes.fit.many_parameters.fit import fit_covariances
from trajmodes.fit.normal_equations import pooled
from trajmodes.fit.pair_range import suspected_dipoles
from trajmodes.phonons.modes import frequencies_at
from trajmodes.results.normal_equations import equations_dataset, equations_of
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space, lattice_transform

N_FRAMES = 24


@pytest.fixture(scope="module", params=["rock salt", "wurtzite"])
def polar(request, crystals, springs, charges_of, hessian_of):
    """Springs and dipoles: supercell, force constants, displacements and forces."""
    crystal = crystals[request.param]
    supercell = build_supercell(crystal, [[3, 0, 0], [0, 3, 0], [0, 1, 3]])
    constants = replace(springs(crystal, 3.3, 5.0), charges=charges_of(crystal))
    u_tax = 0.05 * np.random.default_rng(0).normal(size=(N_FRAMES, supercell.n_atoms, 3))
    u_tax -= u_tax.mean(axis=1, keepdims=True)
    short = -u_tax.reshape(N_FRAMES, -1) @ hessian_of(constants, supercell)
    long = dipole_forces(supercell, constants.charges)(u_tax)
    return supercell, constants, u_tax, short.reshape(u_tax.shape) + long


def _expansion(supercell, *cutoffs):
    chosen = {order: Cutoff(radius) for order, radius in enumerate(cutoffs, start=2)}
    return expansion_of(space_group(supercell.crystal), supercell, chosen)


def test_short_range_constants_are_recovered_exactly(polar, reduce_frames):
    supercell, constants, u_tax, f_tax = polar
    covariances = reduce_frames(supercell, u_tax, f_tax).without_dipoles(constants.charges)
    fit = fit_equations(harmonic_equations(covariances, _expansion(supercell, 3.4)))
    quality = fit.constants.quality
    assert quality.rms_residual < 1e-6 * quality.rms_force
    assert quality.rms_force == pytest.approx(np.sqrt((f_tax**2).mean()))
    q = np.random.default_rng(1).uniform(-1, 1, (4, 3))
    wanted, _ = frequencies_at(constants, q)
    found, _ = frequencies_at(fit.constants, q)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-5)
    plain = fit_equations(
        harmonic_equations(reduce_frames(supercell, u_tax, f_tax), _expansion(supercell, 3.4))
    )
    assert plain.constants.quality.rms_residual > 1e3 * quality.rms_residual
    many = fit_covariances(covariances, _expansion(supercell, 3.4))
    np.testing.assert_allclose(many.constants.values, fit.constants.values, atol=1e-6)
    assert many.constants.charges is constants.charges
    assert many.constants.quality.r_squared == pytest.approx(1.0)


def test_rows_frame_by_frame_give_the_sums_of_covariances(polar, reduce_frames):
    supercell, constants, u_tax, f_tax = polar
    covariances = reduce_frames(supercell, u_tax, f_tax, 4).without_dipoles(constants.charges)
    expansion = _expansion(supercell, 3.4)
    one = harmonic_equations(covariances, expansion)
    rows = ForceRows(
        expansion, supercell, N_FRAMES, 4, dipole_forces(supercell, constants.charges)
    )
    two = rows.finalize(rows.chunk(MotionBlock(0, u_tax, None, f_tax)))
    for name, sums in one.arrays().items():
        scale = np.abs(sums).max()
        np.testing.assert_allclose(two.arrays()[name], sums, atol=1e-10 * scale, err_msg=name)
    assert two.charges is one.charges


def test_quality_refers_to_the_whole_forces(polar, reduce_frames):
    supercell, constants, u_tax, f_tax = polar
    noise = 0.3 * np.sqrt((f_tax**2).mean())
    noisy = f_tax + noise * np.random.default_rng(2).normal(size=f_tax.shape)
    covariances = reduce_frames(supercell, u_tax, noisy).without_dipoles(constants.charges)
    quality = fit_equations(
        harmonic_equations(covariances, _expansion(supercell, 3.4))
    ).constants.quality
    assert 1.0 - quality.r_squared == pytest.approx((noise / quality.rms_force) ** 2, rel=0.1)
    assert quality.rms_force == pytest.approx(np.sqrt((noisy**2).mean()))


def test_normal_equations_keep_their_charges(polar, reduce_frames):
    supercell, constants, u_tax, f_tax = polar
    covariances = reduce_frames(supercell, u_tax, f_tax).without_dipoles(constants.charges)
    equations = harmonic_equations(covariances, _expansion(supercell, 3.4))
    again = equations_of(equations_dataset(equations))
    np.testing.assert_array_equal(again.charges.born, constants.charges.born)
    assert again.force_square == equations.force_square
    for _, scanned in scan_equations(equations):
        assert scanned.charges is constants.charges
        break
    plain = reduce_frames(supercell, u_tax[::-1], f_tax[::-1])
    with pytest.raises(DataError, match="they differ in Born charges"):
        pooled([equations, harmonic_equations(plain, _expansion(supercell, 3.4))])


def test_sums_about_the_means_are_those_of_the_whole_forces(polar, reduce_frames):
    supercell, constants, u_tax, f_tax = polar
    n_sites = supercell.crystal.n_sites
    shift = 0.05 * np.random.default_rng(4).normal(size=(n_sites, 3))
    moved = u_tax + np.tile(shift - shift.mean(axis=0), (supercell.n_cells, 1))
    f_tax = f_tax + dipole_forces(supercell, constants.charges)(moved - u_tax)
    plain = reduce_frames(supercell, moved, f_tax)
    for found, wanted in zip(
        centred(plain.without_dipoles(constants.charges)), centred(plain), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-9 * np.abs(wanted).max())


def test_charges_of_another_number_of_sites_are_refused(polar):
    _, constants, _, _ = polar
    with pytest.raises(DataError, match="Born charges of 1 sites, and the crystal has"):
        replace(constants, charges=Charges(np.zeros((1, 3, 3)), np.eye(3)))


def test_gamma_is_the_first_commensurate_point(polar):
    """`ForceCovariances.without_dipoles` takes the mean forces from it."""
    assert not half_space(polar[0]).qpoints[0].any()


@pytest.mark.parametrize("cutoff", [Cutoff(3.4), None])
def test_dipoles_are_suspected_where_they_act(cutoff, polar, reduce_frames):
    supercell, constants, u_tax, f_tax = polar
    group = space_group(supercell.crystal)
    noise = 0.02 * np.random.default_rng(3).normal(size=f_tax.shape)
    note = suspected_dipoles([reduce_frames(supercell, u_tax, f_tax + noise)], group, cutoff)
    assert note.severity == "warning"
    assert "Born charges and ε∞: --born" in note.fix
    if supercell.crystal.n_sites == 2:
        screened = np.trace(constants.charges.born[0]) / 3 / np.sqrt(3.0)
        assert f"about {abs(screened):.2g} e" in note.text


@pytest.mark.parametrize("name", ["rock salt", "wurtzite", "diamond"])
def test_dipoles_are_not_suspected_where_there_are_none(
    name, crystals, springs, hessian_of, reduce_frames
):
    """Springs beyond the cutoff are no dipoles, and one species has none."""
    supercell = build_supercell(crystals[name], [[3, 0, 0], [0, 3, 0], [0, 1, 3]])
    hessian = hessian_of(springs(crystals[name], 4.5, 5.0), supercell)
    u_tax = 0.05 * np.random.default_rng(0).normal(size=(N_FRAMES, supercell.n_atoms, 3))
    f_tax = -(u_tax.reshape(N_FRAMES, -1) @ hessian).reshape(u_tax.shape)
    noisy = f_tax + 0.02 * np.random.default_rng(3).normal(size=f_tax.shape)
    covariances = reduce_frames(supercell, u_tax, noisy)
    assert suspected_dipoles([covariances], space_group(crystals[name]), Cutoff(4.6)) is None


def test_matrices_of_whole_forces_leave_no_residual(polar):
    """The friction of a thermostat is measured in the residual of the whole forces."""
    supercell, constants, u_tax, f_tax = polar
    space = half_space(supercell)
    u_qtk, f_qtk = (lattice_transform(space, field) for field in (u_tax, f_tax))
    residual = f_qtk + u_qtk @ whole_matrices(constants, space).swapaxes(1, 2)
    assert np.abs(residual).max() < 1e-9 * np.abs(f_qtk).max()
