"""Every variable of the modes contains its own values, in the unit of its name."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.results.dataset import to_dataset
from trajmodes.results.tables import density_table
from trajmodes.units import BOLTZMANN, THZ, W_MK

MEV, TURN, NM = 1e3, 2.0 * np.pi, 10.0
BOTH = ("", "_sem")


def _expected(results):
    """Name of each variable → values of `Results` in the unit of the name."""
    projection, conductivity = results.projection, results.conductivity
    energies, lines = projection.energies, projection.lines
    lifetimes = projection.lifetimes
    found = {}
    for end in BOTH:
        for name, unit in (
            *(("kinetic", MEV), ("potential", MEV), ("virial", MEV)),
            *(("anharmonicity", None), ("heat_capacity_kb", None), ("temperature", None)),
        ):
            key = name + end if unit is None else f"{name}_mev{end}"
            found[key] = getattr(energies, name + end) * (unit or 1.0)
        of_wave = 2.0 / BOLTZMANN * getattr(energies, f"kinetic{end}")
        found[f"mode_temperature{end}"] = of_wave / energies.share
        for name, key in (("omega_displacement", "displacement"), ("omega_ratio", "ratio")):
            found[f"freq_{key}_thz{end}"] = getattr(energies, name + end) / TURN
        for k, key in enumerate(("forward", "backward")):
            found[f"travelling_{key}_mev{end}"] = getattr(energies, f"travelling{end}")[k] * MEV
        found[f"freq_spectrum_thz{end}"] = getattr(lines, f"omega{end}") / TURN
        found[f"lifetime_energy_ps{end}"] = getattr(lifetimes, f"lifetime_ps{end}")
        found[f"linewidth_thz{end}"] = getattr(lines, f"linewidth{end}") / TURN
        found[f"lifetime_ps{end}"] = getattr(lines, f"lifetime_ps{end}")
        for kind in ("classical", "quantum"):
            kappa = getattr(getattr(conductivity, kind), f"kappa{end}")
            found[f"kappa_{kind}_w_mk{end}"] = kappa / W_MK
        found[f"free_path{end}"] = getattr(conductivity, f"free_path{end}")
    for kind in ("classical", "quantum"):
        flow = getattr(conductivity, kind)
        found[f"kappa_spectral_{kind}"] = flow.spectral * THZ / W_MK
        found[f"kappa_cumulative_{kind}_w_mk"] = flow.cumulative / W_MK
    apart = lifetimes.lifetime_ps - lines.lifetime_ps
    together = np.sqrt(lifetimes.lifetime_ps_sem**2 + lines.lifetime_ps_sem**2)
    return found | {
        "line_kinetic_mev": lines.kinetic * MEV,
        "partner_kinetic_mev": lines.partner_kinetic * MEV,
        "lifetime_disagreement": apart / together,
        "kappa_path": conductivity.classical.length,
        "kinetic_fluctuation": projection.ensemble.kinetic_ratio,
        "kinetic_fluctuation_sem": projection.ensemble.kinetic_ratio_sem,
        "energy_acf": lifetimes.correlation,
        "energy_acf_sem": lifetimes.correlation_sem,
        "power": projection.spectra.power * TURN,
        "vdos": projection.density * TURN,
    }


def test_variables_have_the_values_and_units_of_their_names(full_results) -> None:
    # All energies of the fixture have the same errors: make them different.
    energies = full_results.projection.energies
    energies = replace(energies, potential_sem=1.3 * energies.kinetic_sem)
    projection = replace(full_results.projection, energies=energies)
    full_results = replace(full_results, projection=projection)
    dataset = to_dataset(full_results)
    expected = _expected(full_results)
    for name, values in expected.items():
        found = dataset[name].values
        np.testing.assert_allclose(found, values, rtol=1e-9, err_msg=name)
        unit = str(dataset[name].attrs["units"])
        ending = {"mev": "meV", "thz": "THz", "ps": "ps", "mk": "W/(m K)", "kb": "k_B"}
        last = name.removesuffix("_sem").rsplit("_", 1)[-1]
        assert unit == ending.get(last, unit), name


def test_units_that_are_not_part_of_a_name(full_results) -> None:
    dataset = to_dataset(full_results)
    for name, unit in (
        *(("free_path", "Å"), ("kappa_path", "Å"), ("temperature", "K")),
        *(("mode_temperature", "K"), ("power", "eV/THz"), ("vdos", "eV/THz")),
        *(("map_power", "eV/THz"), ("line_power", "eV/THz"), ("line_baseline", "eV/THz")),
        *(("kappa_spectral_quantum", "W/(m K THz)"), ("map_distance", "1/Å")),
    ):
        assert dataset[name].attrs["units"] == unit, name
    for name in ("linewidth_thz", "linewidth_phi3_quantum_thz", "partner_linewidth_thz"):
        text = dataset[name].attrs["long_name"] + dataset[name].attrs.get("conventions", "")
        assert "full width at half maximum" in text, name


def test_resolution_follows_from_the_segment_length(full_results) -> None:
    """A Hann window of length T broadens a sharp line to 1.4406/T (Harris 1978, table 1)."""
    dataset = to_dataset(full_results)
    length = dataset["line_segment_ps"] * dataset["line_resolution_thz"]
    assert length.values == pytest.approx(1.44, abs=0.005)


def test_directions_of_the_density_are_not_exchanged(full) -> None:
    """By symmetry each direction has one third; here they are made different."""
    vdos = full["vdos"].values * np.array([1.0, 2.0, 4.0])[:, None]
    columns = density_table(full.assign(vdos=(full["vdos"].dims, vdos))).columns
    for k, direction in enumerate("xyz"):
        share = columns[f"density_{direction}"].sum() / columns["density"].sum()
        assert share == pytest.approx(vdos[:, k].sum() / vdos.sum(), rel=1e-9)
