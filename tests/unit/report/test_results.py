from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.bands import Bands, SpectralMap
from trajmodes.data.results import Finding
from trajmodes.errors import DataError


def test_arrays_are_read_only(results):
    with pytest.raises(ValueError, match="read-only"):
        results.bands.omega[0, 0] = 1.0
    with pytest.raises(TypeError, match="does not support item assignment"):
        results.diagnosis["drift"] = Finding(0.0, "", "")


def test_band_arrays_must_agree(results):
    with pytest.raises(DataError, match=r"omega has shape \(3, 6\) where \(q=164, m\)"):
        replace(results.bands, omega=np.zeros((3, 6)))


def test_map_axes_are_checked():
    with pytest.raises(DataError, match=r"SpectralMap.power has shape \(2, 3\)"):
        SpectralMap(np.zeros(3), np.zeros((3, 3)), np.zeros(2), np.zeros((2, 3)))


def test_parts_of_a_projection_must_have_the_same_sets(results):
    lines, n_sets = results.projection.lines, results.modes.n_sets
    fewer = replace(
        lines,
        **{
            name: getattr(lines, name)[1:]
            for name in lines.__dataclass_fields__  # every field is over sets
            if getattr(lines, name) is not None
        },
    )
    with pytest.raises(DataError, match=f"have \\[{n_sets - 1}, {n_sets}\\] sets of modes"):
        replace(results.projection, lines=fewer)


def test_projection_must_belong_to_the_modes(results):
    merged = replace(results.modes, sets=np.minimum(results.modes.sets, 3))
    with pytest.raises(DataError, match="the modes form 4 sets, but 31 were projected on"):
        replace(results, modes=merged)


def test_density_is_on_the_grid_of_the_spectra(results):
    with pytest.raises(DataError, match=r"Projection\.density has shape"):
        replace(results.projection, density=results.projection.density[..., 1:])


@pytest.mark.parametrize(
    ("part", "made"),
    [
        (
            "equipartition",
            lambda one: replace(one, z=one.z[1:], probability=one.probability[1:]),
        ),
        ("covariance", lambda one: replace(one, correlation=one.correlation[1:, 1:])),
        ("maximum_entropy", lambda one: replace(one, power=one.power[1:])),
    ],
)
def test_all_parts_of_a_projection_have_all_sets(full_results, part, made):
    given = full_results.projection
    with pytest.raises(DataError, match=r"have \[30, 31\] sets of modes"):
        replace(given, **{part: made(getattr(given, part))})


def test_renormalised_bands_are_on_the_path(full_results):
    quasi, displaced = full_results.renormalised
    path = displaced.bands.path
    path = replace(path, qpoints=path.qpoints[1:], distance=path.distance[1:])
    off = replace(displaced, bands=Bands(path, displaced.bands.omega[1:], None))
    with pytest.raises(DataError, match=r"\(164, 6\), but the bands from disp.* \(163, 6\)"):
        replace(full_results, renormalised=(quasi, off))
    few = replace(quasi, own=[True])
    with pytest.raises(DataError, match="but 1 are in the bands from quasi"):
        replace(full_results, renormalised=(few,))


def test_each_set_has_a_mean_free_path(full_results):
    few = replace(
        full_results.conductivity,
        filled=[False],
        speed=[10.0],
        free_path=[1.0],
        free_path_sem=[0.1],
    )
    with pytest.raises(DataError, match="form 31 sets, but 1 have a mean free path"):
        replace(full_results, conductivity=few)


def test_anharmonic_results_belong_to_the_sets_of_the_modes(full_results):
    few = replace(full_results.gruneisen, sets=[0.5], sets_sem=[0.1])
    with pytest.raises(DataError, match="form 31 sets, but 1 have a Grüneisen parameter"):
        replace(full_results, gruneisen=few)
    given = full_results.perturbation
    for moved in (given.qpoints[::-1], given.qpoints + 0.1):
        with pytest.raises(DataError, match="have different q points"):
            replace(full_results, perturbation=replace(given, qpoints=moved))


def test_grueneisen_parameters_are_on_the_bands(full_results):
    given = full_results.gruneisen
    off = replace(given, path=given.path[1:], path_sem=None)
    with pytest.raises(DataError, match=r"\(164, 6\), but the Grüneisen .* \(163, 6\)"):
        replace(full_results, gruneisen=off)


def test_convergence_has_a_column_for_each_order(full_results):
    given = full_results.convergence
    fewer = replace(given, change=given.change[:, :2])
    with pytest.raises(DataError, match="convergence has 2 orders, but the quality has 3"):
        replace(full_results, convergence=fewer)
