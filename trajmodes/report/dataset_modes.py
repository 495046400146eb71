"""What the projection gave as variables of the Dataset, and what was made of it."""

import numpy as np

from trajmodes.arrays import Bools
from trajmodes.data import (
    Conductivity,
    EnergyLifetimes,
    Ensemble,
    Equipartition,
    HeatFlow,
    LineFits,
    ModeEnergies,
    Projection,
    RenormalisedBands,
    SpectralMap,
    Verdict,
)
from trajmodes.report.dataset_fit import Values
from trajmodes.units import BOLTZMANN, MEV, THZ, W_MK

__all__ = ["conductivity_values", "map_values", "projection_values", "renormalised_values"]


def projection_values(projection: Projection) -> Values:
    """Variables of the projection.

    Parameters
    ----------
    projection
        What the projection gave.
    """
    spectra, data = projection.spectra, projection.line_data
    values = {
        **_energies(projection.energies),
        **_equipartition(projection.equipartition),
        **_ensemble(projection.ensemble),
        **_covariance(projection),
        **_lines(projection.lines),
        **_lifetimes(projection.lifetimes),
        "lifetime_disagreement": projection.disagreement,
        "line_freq_thz": data.freq_thz,
        "line_power": data.power,
        "line_model": data.model,
        "freq_thz": spectra.freq_thz,
        "power": spectra.power,
        "averages": spectra.averages,
        "segment_frames": spectra.segment_frames,
        "interval_ps": spectra.interval_ps,
    }
    if projection.spectral_map is not None:
        values |= map_values(projection.spectral_map)
    if projection.density is not None:
        values["vdos"] = projection.density.power
    if projection.maximum_entropy is not None:
        values |= {
            "entropy_freq_thz": projection.maximum_entropy.freq_thz,
            "power_entropy": projection.maximum_entropy.power,
            "entropy_order": projection.maximum_entropy.order,
        }
    return values


def _energies(energies: ModeEnergies) -> Values:
    single, single_sem = energies.single / MEV, energies.single_sem / MEV
    forced = len(single) == 3
    forward, backward = energies.travelling / MEV
    forward_sem, backward_sem = energies.travelling_sem / MEV
    values: Values = {
        "members": energies.members,
        "mode_temperature": 2.0 * energies.kinetic / BOLTZMANN,
        "mode_temperature_sem": 2.0 * energies.kinetic_sem / BOLTZMANN,
        "kinetic_mev": energies.kinetic / MEV,
        "kinetic_mev_sem": energies.kinetic_sem / MEV,
        "potential_mev": energies.potential / MEV,
        "potential_mev_sem": energies.potential_sem / MEV,
        "freq_displacement_thz": energies.omega_displacement / THZ,
        "freq_displacement_thz_sem": energies.omega_displacement_sem / THZ,
        "freq_ratio_thz": energies.omega_ratio / THZ,
        "freq_ratio_thz_sem": energies.omega_ratio_sem / THZ,
        "temperature": energies.temperature,
        "temperature_sem": energies.temperature_sem,
        "anharmonicity": energies.anharmonicity,
        "anharmonicity_sem": energies.anharmonicity_sem,
        "heat_capacity_kb": energies.heat_capacity_kb,
        "heat_capacity_kb_sem": energies.heat_capacity_kb_sem,
        "mode_kinetic_mev": single[0],
        "mode_kinetic_mev_sem": single_sem[0],
        "mode_potential_mev": single[1],
        "mode_potential_mev_sem": single_sem[1],
        "mode_virial_mev": single[2] if forced else None,
        "mode_virial_mev_sem": single_sem[2] if forced else None,
        "travelling_forward_mev": forward,
        "travelling_forward_mev_sem": forward_sem,
        "travelling_backward_mev": backward,
        "travelling_backward_mev_sem": backward_sem,
    }
    if energies.virial is not None and energies.virial_sem is not None:
        values |= {
            "virial_mev": energies.virial / MEV,
            "virial_mev_sem": energies.virial_sem / MEV,
        }
    return values


def _equipartition(test: Equipartition | None) -> Values:
    if test is None:
        return {}
    return {
        "equipartition_temperature": test.temperature,
        "equipartition_temperature_sem": test.temperature_sem,
        "equipartition_z": test.z,
        "equipartition_probability": test.probability,
        "equipartition_chi2": test.chi_squared,
        "equipartition_freedom": test.freedom,
        "equipartition_p": test.p_value,
        "equipartition_text": test.text,
    }


def _ensemble(ensemble: Ensemble | None) -> Values:
    if ensemble is None:
        return {}
    return {
        "thermostat": str(ensemble.verdict),
        "thermostat_text": ensemble.text,
        "energy_fluctuation": ensemble.energy_ratio,
        "energy_fluctuation_sem": ensemble.energy_ratio_sem,
        "kinetic_fluctuation": ensemble.kinetic_ratio,
        "kinetic_fluctuation_sem": ensemble.kinetic_ratio_sem,
        "energy_drift_k_per_ps": ensemble.drift_k_per_ps,
        "energy_drift_k_per_ps_sem": ensemble.drift_k_per_ps_sem,
    }


def _covariance(projection: Projection) -> Values:
    covariance = projection.covariance
    if covariance is None:
        return {}
    shape = projection.energies.travelling.shape[1:]
    return {
        "energy_correlation": covariance.correlation,
        "energy_covariance_mev2": (covariance.modes / MEV**2).reshape(*shape, *shape),
    }


def _lines(lines: LineFits) -> Values:
    partner = lines.partner_kinetic
    return {
        "freq_spectrum_thz": lines.freq_thz,
        "freq_spectrum_thz_sem": lines.freq_thz_sem,
        "linewidth_thz": lines.linewidth_thz,
        "linewidth_thz_sem": lines.linewidth_thz_sem,
        "lifetime_ps": lines.lifetime_ps,
        "lifetime_ps_sem": lines.lifetime_ps_sem,
        "line_kinetic_mev": lines.kinetic / MEV,
        "line_goodness": lines.goodness,
        "line_resolution_thz": lines.resolution_thz,
        "line_segment_ps": lines.segment_ps,
        "line_asymmetry": lines.asymmetry,
        "line_asymmetry_sem": lines.asymmetry_sem,
        "line_baseline": lines.baseline,
        "partner_freq_thz": lines.partner_freq_thz,
        "partner_linewidth_thz": lines.partner_linewidth_thz,
        "partner_kinetic_mev": None if partner is None else partner / MEV,
        "resolved": _resolved(lines.verdicts),
        "verdict": np.array([str(verdict) for verdict in lines.verdicts], dtype=str),
        "advice": np.array(lines.advice, dtype=str),
    }


def _resolved(verdicts: tuple[Verdict, ...]) -> Bools:
    return np.array([verdict is Verdict.RESOLVED for verdict in verdicts])


def _lifetimes(lifetimes: EnergyLifetimes | None) -> Values:
    if lifetimes is None:
        return {}
    return {
        "lifetime_energy_ps": lifetimes.lifetime_ps,
        "lifetime_energy_ps_sem": lifetimes.lifetime_ps_sem,
        "energy_misfit": lifetimes.misfit,
        "energy_resolved": _resolved(lifetimes.verdicts),
        "energy_verdict": np.array([str(v) for v in lifetimes.verdicts], dtype=str),
        "energy_advice": np.array(lifetimes.advice, dtype=str),
        "acf_lag_ps": lifetimes.lag_ps,
        "energy_acf": lifetimes.correlation,
        "energy_acf_sem": lifetimes.correlation_sem,
        "energy_acf_model": lifetimes.model,
    }


def map_values(spectral_map: SpectralMap) -> Values:
    """Variables of the map of the spectral energy.

    Parameters
    ----------
    spectral_map
        The map.
    """
    return {
        "map_distance": spectral_map.distance,
        "map_q": spectral_map.qpoints,
        "map_freq_thz": spectral_map.freq_thz,
        "map_power": spectral_map.power,
        "map_branch_power": spectral_map.branches,
        "map_site_power": spectral_map.sites,
    }


def renormalised_values(kinds: tuple[RenormalisedBands, ...]) -> Values:
    """Variables of the bands made from the motion itself.

    Parameters
    ----------
    kinds
        Bands of each kind.
    """
    values: Values = {}
    for kind in kinds:
        name, bands = kind.kind.removesuffix("s").replace("-", "_"), kind.bands
        values[f"band_{name}_thz"] = bands.omega / THZ
        if bands.omega_sem is not None:
            values[f"band_{name}_thz_sem"] = bands.omega_sem / THZ
        if kind.own is not None:
            values["quasi_particle_own"] = kind.own
    return values


def conductivity_values(conductivity: Conductivity | None) -> Values:
    """Variables of the thermal conductivity.

    Parameters
    ----------
    conductivity
        The conductivity, if there is one.
    """
    if conductivity is None:
        return {}
    values: Values = {
        "kappa_temperature": conductivity.temperature,
        "kappa_mesh": np.array(conductivity.mesh),
        "kappa_filled_share": conductivity.classical.filled_share,
        "kappa_long_wave_share": conductivity.classical.long_wave_share,
        "kappa_freq_thz": conductivity.classical.omega / THZ,
        "kappa_path": conductivity.classical.length,
        "free_path": conductivity.free_path,
        "free_path_sem": conductivity.free_path_sem,
    }
    for kind in ("classical", "quantum"):
        flow: HeatFlow = getattr(conductivity, kind)
        values |= {
            f"kappa_{kind}_w_mk": flow.kappa / W_MK,
            f"kappa_{kind}_w_mk_sem": flow.kappa_sem / W_MK,
            f"kappa_spectral_{kind}": flow.spectral / W_MK * THZ,
            f"kappa_cumulative_{kind}_w_mk": flow.cumulative / W_MK,
        }
    return values
