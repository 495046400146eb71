from dataclasses import replace

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.report import Bands, Finding, Projection, SpectralMap


def test_arrays_are_read_only(results):
    with pytest.raises(ValueError, match="read-only"):
        results.bands.freq_thz[0, 0] = 1.0
    with pytest.raises(TypeError, match="does not support item assignment"):
        results.diagnosis["drift"] = Finding(0.0, "", "")


def test_band_arrays_must_agree(results):
    with pytest.raises(DataError, match=r"freq_thz has shape \(3, 6\) where \(n=164, m\)"):
        replace(results.bands, freq_thz=np.zeros((3, 6)))
    with pytest.raises(DataError, match=r"Bands.tick_positions has shape"):
        replace(results.bands, tick_labels=("GAMMA",))


def test_map_axes_are_checked():
    with pytest.raises(DataError, match=r"SpectralMap.power has shape \(2, 3\)"):
        SpectralMap(np.zeros(3), np.zeros(2), np.zeros((2, 3)))


def test_parts_of_a_projection_must_have_the_same_sets(results):
    lines, n_sets = results.projection.lines, results.modes.n_sets
    fewer = replace(
        lines,
        **{
            name: getattr(lines, name)[1:]
            for name in lines.__dataclass_fields__  # every field is over sets
        },
    )
    with pytest.raises(DataError, match=f"have \\[{n_sets - 1}, {n_sets}\\] sets of modes"):
        replace(results.projection, lines=fewer)


def test_projection_must_belong_to_the_modes(results):
    merged = replace(results.modes, sets=np.minimum(results.modes.sets, 3))
    with pytest.raises(DataError, match="the modes form 4 sets, but 31 were projected on"):
        replace(results, modes=merged)


def test_models_are_on_the_grid_of_the_spectra(results):
    given = results.projection
    with pytest.raises(DataError, match=r"Projection.line_models has shape \(31, 399\)"):
        Projection(given.energies, given.spectra, given.lines, given.line_models[:, 1:])


def test_bands_need_no_breaks(results):
    bands = replace(results.bands, breaks=[])
    assert isinstance(bands, Bands)
    assert bands.breaks.shape == (0,)


def test_sets_of_everything_must_be_those_of_the_modes(full_results):
    few = replace(full_results.gruneisen, sets=[0.5], sets_sem=[0.1])
    with pytest.raises(DataError, match="form 31 sets, but 1 have a Grüneisen parameter"):
        replace(full_results, gruneisen=few)
    narrow = replace(full_results.perturbation, quantum_thz=[0.5], classical_thz=[0.1])
    with pytest.raises(DataError, match="form 31 sets, but 1 have a perturbative width"):
        replace(full_results, perturbation=narrow)


def test_grueneisen_parameters_are_on_the_bands(full_results):
    given = full_results.gruneisen
    off = replace(given, path=given.path[1:], path_sem=None)
    with pytest.raises(DataError, match=r"bands have shape \(164, 6\), but .* \(163, 6\)"):
        replace(full_results, gruneisen=off)


def test_change_has_a_column_for_each_order(full_results):
    given = full_results.convergence
    with pytest.raises(DataError, match="change of 2 orders is given, but the quality of 3"):
        replace(
            full_results, convergence=replace(given, order_change=given.order_change[:, :2])
        )
