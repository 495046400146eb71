"""Law: results.nc gives back the results as written, whatever stages took part."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from silicon.results import make_full, make_results
from trajmodes.data.results import Finding, InputFile
from trajmodes.data.spectra import Verdict
from trajmodes.notes import Note
from trajmodes.phonons.shells import shells_of
from trajmodes.results.dataset import to_dataset
from trajmodes.results.netcdf import encode, read_results

# These tests take several seconds.
pytestmark = pytest.mark.slow

SUPERCELLS = (
    np.diag([2, 2, 1]),
    np.diag([3, 1, 1]),
    np.array([[2, 0, 0], [0, 1, 0], [1, 0, 2]]),
)
STAGES = (
    *("conductivity", "convergence", "fit_errors", "reference", "scheme_omega_distance"),
    *("gruneisen", "perturbation", "comparison", "stability", "run_length"),
)
REQUESTS = (
    *("lifetimes", "density", "equipartition", "ensemble", "covariance", "maximum_entropy"),
    "spectral_map",
)
FORCES = ("virial", "virial_sem", "anharmonicity", "anharmonicity_sem")
LINES = (("asymmetry", "asymmetry_sem"), ("baseline",))
PARTNER = ("partner_omega", "partner_linewidth", "partner_kinetic")

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


def without(whole, names):
    return replace(whole, **dict.fromkeys(names))


@st.composite
def any_projection(draw, projection):
    """The projection with any of its optional parts, any verdicts and advice."""
    energies, lines = projection.energies, projection.lines
    if draw(st.booleans()):
        energies = without(energies, FORCES)
    for names in (*LINES, PARTNER):
        if draw(st.booleans()):
            lines = without(lines, names)
    n_sets = len(lines.verdicts)
    lines = replace(
        lines,
        verdicts=tuple(draw(st.sampled_from(list(Verdict))) for _ in range(n_sets)),
        advice=tuple(draw(texts) for _ in range(n_sets)),
    )
    given_map = projection.spectral_map
    for part in ("branches", "sites"):
        if draw(st.booleans()):
            given_map = without(given_map, [part])
    projection = replace(projection, energies=energies, lines=lines, spectral_map=given_map)
    return without(projection, draw(st.sets(st.sampled_from(REQUESTS))))


@st.composite
def any_results(draw):
    """Results of a run from which any part may be absent, with any texts."""
    full = make_full(make_results(draw(st.sampled_from(SUPERCELLS)), draw(st.integers(0, 99))))
    stages = draw(st.sets(st.sampled_from(STAGES)))
    constants, modes, bands = full.constants, full.modes, full.bands
    constants = without(constants, [("triplets",), ("quartets",), ()][draw(st.integers(0, 2))])
    if draw(st.booleans()):
        constants = without(constants, ("replicates", "quality", "temperature", "cutoff"))
        modes, bands = (without(one, ["omega_sem"]) for one in (modes, bands))
        stages.add("convergence")
    labels = ((draw(texts), draw(texts)), *bands.path.labels[1:])
    bands = replace(bands, path=replace(bands.path, labels=labels))
    projection, renormalised = None, ()
    if draw(st.booleans()):
        projection = draw(any_projection(full.projection))
        renormalised = full.renormalised[draw(st.integers(0, 2)) :]
    provenance = replace(
        full.provenance, inputs=(InputFile(draw(texts), 2**40, "f"),), run_file=draw(texts)
    )
    findings = {name: Finding(1.0, name, name) for name in draw(st.lists(texts, max_size=2))}
    return replace(
        without(full, stages),
        constants=constants,
        modes=modes,
        bands=bands,
        shells=shells_of(constants),
        projection=projection,
        renormalised=renormalised,
        provenance=provenance,
        point_names=full.point_names if draw(st.booleans()) else (),
        diagnosis=findings,
        warnings=tuple(Note("warning", text) for text in draw(st.lists(texts, max_size=3))),
    )


@settings(derandomize=True, deadline=None, max_examples=12, phases=[Phase.generate])
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


@settings(derandomize=True, deadline=None, max_examples=5, phases=[Phase.generate])
@given(any_results())
def test_results_read_and_written_again_are_identical(results):
    with tempfile.TemporaryDirectory() as folder:
        first, second = (Path(folder) / name for name in ("first.nc", "second.nc"))
        encode(to_dataset(results), first)
        encode(read_results(first), second)
        assert read_results(first).identical(read_results(second))
