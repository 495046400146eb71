"""Law: results.nc gives back the results as written, whatever stages took part."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.data.anharmonic import (
    Conductivity,
    GruneisenParameters,
    HeatFlow,
    MeanGruneisen,
    PerturbativeWidths,
    WidthComparison,
)
from trajmodes.data.bands import BandPath, Bands, RenormalisedBands, SpectralMap
from trajmodes.data.crystal import Crystal
from trajmodes.data.energies import (
    EnergyCovariance,
    Ensemble,
    EnsembleVerdict,
    Equipartition,
    ModeEnergies,
)
from trajmodes.data.force_constants import (
    ClusterConstants,
    Convergence,
    FitErrors,
    FitQuality,
    ForceConstants,
    OrderQuality,
    Reference,
)
from trajmodes.data.modes import Modes, RunLength, Stability
from trajmodes.data.results import Finding, InputFile, Projection, Provenance, Results
from trajmodes.data.spectra import (
    EnergyLifetimes,
    LineData,
    LineFits,
    MaximumEntropySpectra,
    PowerSpectra,
    Verdict,
    VibrationalDensity,
)
from trajmodes.notes import Note
from trajmodes.phonons.shells import shells_of
from trajmodes.results.dataset import to_dataset
from trajmodes.results.netcdf import encode, read_results
from trajmodes.symmetry.translations import build_supercell

# These tests take several seconds.
pytestmark = pytest.mark.slow

LINE_EXTRAS = (
    "asymmetry",
    "asymmetry_sem",
    "baseline",
    "partner_freq_thz",
    "partner_linewidth_thz",
    "partner_kinetic",
)

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
sizes = st.integers(1, 4)


def random_projection(rng, shape, n_bins, verdicts, advice, *, forces, mapped):
    n_sets = len(verdicts)

    def some(*sizes):
        return rng.standard_normal(sizes)

    energies = ModeEnergies(
        members=rng.integers(1, 9, n_sets),
        kinetic=some(n_sets),
        kinetic_sem=some(n_sets),
        potential=np.where(rng.random(n_sets) < 0.5, np.nan, some(n_sets)),
        potential_sem=some(n_sets),
        virial=some(n_sets) if forces else None,
        virial_sem=some(n_sets) if forces else None,
        omega_displacement=some(n_sets),
        omega_displacement_sem=some(n_sets),
        omega_ratio=some(n_sets),
        omega_ratio_sem=some(n_sets),
        temperature=float(some()),
        temperature_sem=float(some()),
        anharmonicity=some(n_sets) if forces else None,
        anharmonicity_sem=some(n_sets) if forces else None,
        heat_capacity_kb=np.where(rng.random(n_sets) < 0.5, np.nan, some(n_sets)),
        heat_capacity_kb_sem=some(n_sets),
        single=some(3 if forces else 2, *shape),
        single_sem=some(3 if forces else 2, *shape),
        travelling=np.where(rng.random((2, *shape)) < 0.5, np.nan, some(2, *shape)),
        travelling_sem=some(2, *shape),
    )
    freq = np.cumsum(0.1 + rng.random(n_bins))
    special = rng.random(3) < 0.5
    lines = LineFits(
        *some(8, n_sets),
        *(verdicts, advice, 1.0 + rng.random(n_sets), 0.1 + rng.random(n_sets)),
        asymmetry=some(n_sets) if special[0] else None,
        asymmetry_sem=some(n_sets) if special[0] else None,
        baseline=some(n_sets) if special[1] else None,
        partner_omega=some(n_sets) if special[2] else None,
        partner_linewidth=some(n_sets) if special[2] else None,
        partner_kinetic=some(n_sets) if special[2] else None,
    )
    line_data = LineData(
        *np.where(rng.random((3, n_sets, 4)) < 0.5, np.nan, some(3, n_sets, 4))
    )
    return Projection(
        energies=energies,
        spectra=PowerSpectra(freq, some(n_sets, n_bins), some(n_sets), 7, 0.1),
        lines=lines,
        line_data=line_data,
        **random_requests(rng, shape, freq, verdicts, advice, mapped=mapped),
    )


def random_requests(rng, shape, freq, verdicts, advice, *, mapped):
    """Optional results of a projection, each with probability one half."""
    n_sets, n_bins = len(verdicts), len(freq)
    n_sites, n_modes = shape[1] // 3, shape[0] * shape[1]

    def some(*sizes):
        return rng.standard_normal(sizes)

    everything = {
        "lifetimes": EnergyLifetimes(
            *some(4, n_sets), verdicts, advice, *some(4, n_sets, 5).round(2)
        ),
        "density": VibrationalDensity(freq, some(n_sites, 3, n_bins)),
        "equipartition": Equipartition(
            300.0, 1.0, some(n_sets), rng.random(n_sets), 1.5, 3, 0.2, []
        ),
        "ensemble": Ensemble(
            *(EnsembleVerdict.UNKNOWN, advice[-1], 0.1, np.nan, 0.5, np.nan),
            *(300.0, 0.01, np.nan, "", ""),
        ),
        "covariance": EnergyCovariance(some(n_modes, n_modes), some(n_sets, n_sets)),
        "maximum_entropy": MaximumEntropySpectra(np.arange(6.0), some(n_sets, 6), 4),
    }
    chosen = {name: part for name, part in everything.items() if rng.random() < 0.5}
    if mapped:
        chosen["spectral_map"] = SpectralMap(
            *(some(3), some(3, 3), freq, some(3, n_bins)),
            branches=some(3, shape[1], n_bins) if rng.random() < 0.5 else None,
            sites=some(3, n_sites, 3, n_bins) if rng.random() < 0.5 else None,
        )
    return chosen


def random_transport(rng, modes, bands):
    """Bands and conductivity derived from a projection."""
    shape, n_sets = bands.omega.shape, modes.n_sets
    quasi, moved = (replace(bands, omega=one) for one in rng.random((2, *shape)))
    return {
        "renormalised": (
            RenormalisedBands("quasi-particles", quasi, rng.random(n_sets) < 0.5),
            RenormalisedBands("displacements", moved),
        )[: int(rng.integers(0, 3))],
        "conductivity": Conductivity(
            *(300.0, (2, 3, 4), random_flow(rng), random_flow(rng)),
            filled=rng.random(n_sets) < 0.5,
            speed=rng.random(n_sets),
            free_path=np.full(n_sets, np.nan),
            free_path_sem=rng.random(n_sets),
        ),
    }


def random_flow(rng):
    return HeatFlow(
        *rng.random((2, 3, 3)),
        *rng.random(4),
        edges=np.arange(8.0),
        below_frequency=rng.random((8, 3, 3)),
        length=rng.random(5),
        below_length=rng.random((5, 3, 3)),
    )


def random_clusters(rng, order, n_sites, *, errors):
    n_clusters = int(rng.integers(1, 5))
    shape = (n_clusters, *(3,) * order)
    return ClusterConstants(
        sites=rng.integers(0, n_sites, (n_clusters, order)),
        lattice=rng.integers(-2, 3, (n_clusters, order, 3)),
        values=rng.standard_normal(shape),
        replicates=rng.standard_normal((3, *shape)) if errors else None,
        cutoff=4.5 if errors else None,
    )


def random_orders(rng, cutoffs):
    return tuple(
        OrderQuality(2 + k, cutoff, 3, *rng.random(3), np.nan if k else 0.1)
        for k, cutoff in enumerate(cutoffs)
    )


def random_extras(rng, modes, bands, *, errors):
    """Results of a fit of higher orders."""
    n_sets, shape = modes.n_sets, bands.omega.shape
    n_sites = modes.crystal.n_sites
    gamma = rng.standard_normal(shape)
    sem = rng.random() if errors else None
    return {
        "fit_errors": FitErrors(
            rng.random((8, 3)), 2.5, 3.5, levelled=bool(rng.random() < 0.5), method="sandwich"
        ),
        "reference": Reference(rng.random((n_sites, 3)), np.full((n_sites, 3), np.nan)),
        "scheme_omega_distance": rng.random(),
        "gruneisen": GruneisenParameters(
            path=np.where(gamma > 1.0, np.nan, gamma),
            path_sem=rng.random(shape) if errors else None,
            sets=rng.random(n_sets),
            sets_sem=rng.random(n_sets) if errors else None,
            mean=MeanGruneisen(
                temperatures=[300.0] if errors else [],
                quantum=[rng.random()] if errors else [],
                quantum_sem=[rng.random()] if errors else None,
                classical=rng.random(),
                classical_sem=sem,
                mesh=(2, 3, 4),
                left_out=0.0,
            ),
        ),
        "perturbation": PerturbativeWidths(
            *(300.0, (2, 2, 2), modes.qpoints, modes.omega),
            *(rng.random(modes.omega.shape), np.full(modes.omega.shape, np.nan), 0.0),
        ),
        "comparison": WidthComparison(rng.random(), np.nan, 3),
        "stability": Stability("unstable", -rng.random(), sem, rng.random(3), 1, -4.0),
        "run_length": RunLength(*rng.random(6), rng.random(3), 0),
    }


@st.composite
def any_results(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_sites, n_q, n_pairs = draw(sizes), draw(sizes), draw(sizes)
    errors, projected = draw(st.booleans()), draw(st.booleans())
    m = 3 * n_sites
    crystal = Crystal(
        np.eye(3) + 0.1 * rng.random((3, 3)),
        rng.random((n_sites, 3)),
        ("Si",) * n_sites,
        1.0 + rng.random(n_sites),
    )
    n_sets = draw(st.integers(1, n_q * m))
    # Each label occurs at least once.
    labels = np.concatenate([np.arange(n_sets), rng.integers(-1, n_sets, n_q * m - n_sets)])
    vectors = rng.standard_normal((2, n_q, m, n_sites, 3))
    modes = Modes(
        crystal=crystal,
        qpoints=rng.random((n_q, 3)),
        weights=rng.integers(1, 3, n_q),
        omega=rng.standard_normal((n_q, m)),
        vectors=vectors[0] + 1j * vectors[1],
        omega_sem=rng.random((n_q, m)) if errors else None,
        sets=labels.reshape(n_q, m),
    )
    higher = draw(st.sampled_from([(), (3,), (3, 4)]))
    quality = FitQuality(
        *(3, 3, 1.5, 10, 0.9, 1.0, 0.1, rng.random((n_sites, 3))),
        orders=random_orders(rng, draw(st.lists(texts, min_size=1, max_size=3))),
        scheme=draw(st.sampled_from(["sequential", "joint"])),
        constraints=tuple(draw(st.lists(texts, max_size=2))),
    )
    clusters = {n: random_clusters(rng, n, n_sites, errors=errors) for n in higher}
    constants = ForceConstants(
        crystal=crystal,
        first=rng.integers(0, n_sites, n_pairs),
        second=rng.integers(0, n_sites, n_pairs),
        lattice=rng.integers(-2, 3, (n_pairs, 3)),
        values=rng.standard_normal((n_pairs, 3, 3)),
        replicates=rng.standard_normal((3, n_pairs, 3, 3)) if errors else None,
        temperature=300.0 if errors else None,
        quality=quality if errors else None,
        triplets=clusters.get(3),
        quartets=clusters.get(4),
    )
    path = BandPath(
        crystal=crystal,
        qpoints=rng.random((5, 3)),
        distance=np.sort(rng.random(5)),
        offsets=[0, 2, 5],
        labels=(("Γ", "X"), (draw(texts), draw(texts))),
    )
    bands = Bands(path, rng.standard_normal((5, m)), rng.random((5, m)) if errors else None)
    projection = None
    if projected:
        verdicts = tuple(draw(st.sampled_from(list(Verdict))) for _ in range(n_sets))
        advice = tuple(draw(texts) for _ in range(n_sets))
        forces, mapped = draw(st.booleans()), draw(st.booleans())
        projection = random_projection(
            rng, modes.omega.shape, draw(sizes), verdicts, advice, forces=forces, mapped=mapped
        )
    return Results(
        supercell=build_supercell(crystal, [[2, 0, 0], [0, 1, 0], [1, 0, 1]]),
        constants=constants,
        modes=modes,
        bands=bands,
        provenance=Provenance(
            {"trajmodes": "0"}, (InputFile(draw(texts), 2**40, "f"),), "run", draw(texts)
        ),
        projection=projection,
        shells=shells_of(constants),
        convergence=Convergence(
            np.array([0.5, 1.0]),
            rng.random((2, len(quality.orders))),
            omega_change=rng.random(2) if higher else None,
        )
        if errors
        else None,
        **(random_extras(rng, modes, bands, errors=errors) if draw(st.booleans()) else {}),
        **(random_transport(rng, modes, bands) if projected and errors else {}),
        diagnosis={
            name: Finding(1.0, name, name) for name in draw(st.lists(texts, max_size=2))
        },
        warnings=tuple(Note("warning", text) for text in draw(st.lists(texts, max_size=3))),
    )


@settings(derandomize=True, deadline=None, max_examples=12)
@given(any_results())
def test_results_are_read_back_bit_for_bit(results):
    dataset = to_dataset(results)
    with tempfile.TemporaryDirectory() as folder:
        encode(dataset, Path(folder) / "results.nc")
        read = read_results(folder)
    assert set(read.variables) == set(dataset.variables)
    for name, variable in dataset.variables.items():
        # Values bit for bit, and units, names and conventions.
        assert read[name].dims == variable.dims
        assert read[name].attrs == variable.attrs
        assert np.array_equal(
            read[name].values, variable.values, equal_nan=variable.dtype.kind == "f"
        )
    assert set(read.coords) == set(dataset.coords)
    assert read.attrs == dataset.attrs


@settings(derandomize=True, deadline=None, max_examples=5)
@given(any_results())
def test_results_read_and_written_again_are_identical(results):
    with tempfile.TemporaryDirectory() as folder:
        first, second = (Path(folder) / name for name in ("first.nc", "second.nc"))
        encode(to_dataset(results), first)
        encode(read_results(first), second)
        assert read_results(first).identical(read_results(second))
