"""Figures of `thermo` and `elastic`: the data are those of the results, errors and all."""

import numpy as np
import pytest
from matplotlib.patches import Polygon

import trajmodes as tm
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.report.figures.catalogue import Drawing
from trajmodes.units import DALTON


def layer(tension: float, spread: float = 0.01) -> tm.ForceConstants:
    """Square lattice with springs in its plane and a tension along the normal."""
    crystal = Crystal(np.diag([2.5, 2.5, 20.0]), np.zeros((1, 3)), ("C",), [12.0 * DALTON])
    steps = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    bonds = np.array([np.diag([4.0, 1.0, tension])] * 2 + [np.diag([1.0, 4.0, tension])] * 2)
    values = np.concatenate([bonds.sum(axis=0)[None], -bonds])
    lattice = np.concatenate([np.zeros((1, 3), int), steps])
    zero = np.zeros(5, int)
    factors = 1.0 + spread * np.random.default_rng(1).standard_normal(8)
    replicates = values * factors[:, None, None, None]
    return tm.ForceConstants.of(
        ForceConstants(crystal, zero, zero, lattice, values, replicates=replicates)
    )


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("tension", "entry", "style"),
    [(0.2, "slowest", "-"), (-0.2, "slowest, imaginary", ":"), (0.0, "slowest: zero", "-")],
)
def test_every_wave_of_a_layer_is_drawn(tension, entry, style):
    dataset = layer(tension).elasticity()
    figure = Drawing("thermo.harmonic.draw_sound", dataset).draw()
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert texts(legend) == [entry, "middle", "fastest", "±2 standard errors"]
    is_dotted = legend.legend_handles[0].get_linestyle() not in ("-", "solid")
    assert is_dotted == (style == ":")
    # Each wave has a stable and an unstable line; together they are all of |v|.
    speed = np.abs(dataset["sound_km_s"].values[0])
    lines = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == len(speed)]
    for wave, pair in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        drawn = np.fmax(*(np.hypot(*one.T) for one in pair))
        np.testing.assert_allclose(drawn, speed[:, wave], atol=1e-12)
    # The band of the fastest wave ends at two standard errors.
    band = [one for one in axes.patches if isinstance(one, Polygon)][-1].get_xy()
    far = (
        dataset["sound_km_s"].values[0, :, 2] + 2.0 * dataset["sound_km_s_sem"].values[0, :, 2]
    )
    assert np.hypot(*band.T).max() == pytest.approx(far.max(), rel=1e-6)
    left, _, width, _ = axes.get_position().bounds
    assert legend.get_window_extent().x1 < figure.bbox.x1
    assert left + width < 1.0


def test_imaginary_waves_are_a_note():
    notes = [str(note) for note in layer(-0.2).elasticity()["notes"].values]
    (text,) = (one for one in notes if "imaginary" in one)
    assert "100 % of the directions" in text
    assert "--constraints born-huang --constraints huang" in text
    for tension in (0.0, 0.2):
        notes = layer(tension).elasticity()["notes"].values
        assert not any("imaginary" in str(note) for note in notes)


def test_legends_of_thermo_are_above_their_panels(crystals, springs):
    constants = tm.ForceConstants.of(springs(crystals["rock salt"], 4.5))
    figure = Drawing(
        "thermo.harmonic.draw_thermo",
        constants.thermodynamics(temperatures=[0, 200, 400], mesh=6),
    ).draw()
    wanted = (
        ["total", "Na", "Cl"],
        ["C$_\\mathrm{V}$", "S"],
        ["U", "F", "classical"],
        ["Na", "Cl", "classical"],
    )
    for axes, labels in zip(figure.axes, wanted, strict=True):
        legend = axes.get_legend()
        assert texts(legend)[: len(labels)] == labels
        assert legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1.0
        assert legend.get_window_extent().y1 <= figure.bbox.y1


def test_one_temperature_is_drawn_as_points():
    dataset = layer(0.2).thermodynamics(temperatures=[300.0], cif_temperature=300.0, mesh=6)
    axes = Drawing("thermo.harmonic.draw_thermo", dataset).draw().axes[2]
    low, high = axes.get_xlim()
    assert low < 300.0 < high
    (bars, _) = (one for one in axes.containers)
    assert bars.lines[0].get_ydata() == pytest.approx(1e3 * dataset["energy"].values)
    # The error bar is two standard errors to either side.
    (segment,) = bars.lines[2][0].get_segments()
    assert np.ptp(segment[:, 1]) == pytest.approx(4e3 * dataset["energy_sem"].values[0])


def test_errors_of_the_density_of_states_have_no_spikes():
    """One strength for all springs: ω scales, and ∂g/∂ln ω is as smooth as g."""
    dataset = layer(0.2).thermodynamics(temperatures=[300.0], mesh=40)
    assert float(dataset["dos_sem"].max()) < 0.2 * float(dataset["dos"].max())
