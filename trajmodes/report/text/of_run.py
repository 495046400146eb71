"""The brief summary of `trajmodes run`, `fit` and `project`."""

from collections.abc import Mapping

import numpy as np

from trajmodes.data.energies import EnsembleVerdict
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.results import Results
from trajmodes.data.spectra import DISAGREE
from trajmodes.notes import Note
from trajmodes.report.numbers import counted, from_displacements, plus_minus, strength_of
from trajmodes.report.text.brief import Brief, counts, file_rows
from trajmodes.report.text.overview import crystal_line, run_line, unresolved_lines
from trajmodes.report.text.species_pairs import species_line
from trajmodes.units import THZ, W_MK

_CHANCE = 0.2
"""Share of sets whose two lifetimes may disagree: 0.05 are expected to."""


def brief_of_run(results: Results, dataset: NamedArrays, files: Mapping[str, str]) -> Brief:
    """Make the brief summary of results and their files; the Dataset is that of the results."""
    # What keeps a run from having results matters most.
    first, other = results.not_done, _problems(results)
    found = (*first, *other, *results.warnings, *results.notes)
    unresolved = list(unresolved_lines(dataset))
    rest = counts(found)
    where = file_rows(files)
    if where:
        (name, command), more = where.pop(), f" ({rest})" if rest else ""
        where.append((name, f"{command}{more}"))
        if (results.projection or results.displaced) is not None:
            where.append(("Modes", command.replace(" show ", " modes ")))
    rows = (
        ("Fit", _fit(results)),
        ("By species", species_line(dataset)),
        ("Lifetimes", _lifetimes(dataset)),
        ("Not resolved", unresolved[0] if unresolved else ""),
        ("Anharmonicity", _anharmonicity(results)),
        ("Stability", "" if results.stability is None else results.stability.text),
        ("Frequencies", _frequencies(results)),
        ("Energies", _energies(results)),
        ("Conductivity", _conductivity(results)),
        ("Run", _run(results, dataset)),
    )
    return Brief(verdict_of(dataset), found, rows, tuple(where))


def verdict_of(dataset: NamedArrays) -> str:
    """State the findings in one line: the crystal, its temperature, stability, lifetimes."""
    crystal = crystal_line(dataset).partition(",")[0]
    kelvin = ""
    if "temperature" in dataset:
        value = plus_minus(float(dataset["temperature"]), float(dataset["temperature_sem"]))
        kelvin = f" at {value} K"
    elif "fit_temperature" in dataset:
        kelvin = f" at {float(dataset['fit_temperature']):.4g} K"
    parts = []
    if "stability" in dataset:
        word = str(dataset["stability"].item())
        parts.append("stability not decided" if word == "not decided" else word)
    if "resolved" in dataset:
        n_sets = dataset.sizes["set"]
        known = np.any(
            [dataset[n].values for n in ("resolved", "energy_resolved") if n in dataset], axis=0
        )
        n_known = int(known.sum())
        parts.append(f"lifetimes of {n_known} of {counted(n_sets, 'set')} of modes resolved")
    elif "kinetic_mev" in dataset:
        parts.append("energies of all modes, no spectra")
    elif "potential_mev" in dataset:
        parts.append("potential energies of all modes, no kinetic ones")
    elif "force_constants" in dataset:
        parts.append("force constants fitted" if "r_squared" in dataset else "force constants")
    return ": ".join(filter(None, [f"{crystal}{kelvin}", "; ".join(parts)]))


def _problems(results: Results) -> list[Note]:
    """Warnings that follow from the results."""
    found = []
    stability, quality = results.stability, results.constants.quality
    if stability is not None and stability.verdict == "unstable":
        text = f"the crystal is {stability.text}"
        fix = "compare the structure of the run with the cell file, and look at the bands"
        found.append(Note("warning", text, fix=fix))
    if quality is not None and quality.rank < quality.n_parameters:
        text = f"the forces determine {quality.rank} of {quality.n_parameters} parameters"
        found.append(Note("warning", text, fix="use more frames or smaller cutoffs"))
    projection = results.projection
    if projection is None:
        return found
    equal = projection.equipartition
    if equal is not None and not equal.holds:
        fix = "leave out the beginning of the run (--frames 2000:), or run longer"
        found.append(Note("warning", equal.text, why="the run is not in equilibrium", fix=fix))
    ensemble = projection.ensemble
    if ensemble is not None and ensemble.verdict not in _UNDISTURBED:
        found.append(Note("warning", f"{ensemble.verdict} run: {ensemble.text}"))
    apart = projection.disagreement
    if apart is not None:
        known = np.isfinite(apart)
        far = int((np.abs(apart[known]) > DISAGREE).sum())
        if far > _CHANCE * known.sum():
            text = (
                f"the lifetimes from line and energy disagree in {far} of "
                f"{counted(known.sum(), 'set')}"
            )
            found.append(Note("warning", text, fix="look at figures/lifetimes.png"))
    return found


_UNDISTURBED = (EnsembleVerdict.NVE, EnsembleVerdict.UNKNOWN)


def _fit(results: Results) -> str:
    quality = results.constants.quality
    if results.covariance_frames is not None:
        return from_displacements(results.covariance_frames)
    if quality is None:
        return "given force constants"
    given = "given force constants, " * (results.convergence is None)
    return (
        f"{given}R² = {quality.r_squared:.5f}, {counted(quality.n_parameters, 'parameter')}, "
        f"{counted(quality.n_frames, 'frame')}; rms residual {quality.rms_residual:.3g} of "
        f"{quality.rms_force:.3g} eV/Å"
    )


def _anharmonicity(results: Results) -> str:
    found = results.projection or results.displaced
    measured = None if found is None else found.anharmonicity
    quality = results.constants.quality
    if measured is not None:
        sigma, value = measured.whole, plus_minus(measured.whole, measured.whole_sem)
    elif quality is not None:
        sigma = quality.anharmonicity
        value = plus_minus(sigma, quality.anharmonicity_sem)
    else:
        return ""
    return f"{strength_of(sigma)}: σ = {value}, the share of the rms force that is not harmonic"


def _frequencies(results: Results) -> str:
    text = f"up to {results.modes.omega.max() / THZ:.3f} THz"
    length = results.run_length
    if length is None:
        return text
    typical, worst = (f"{one / THZ:.2g}" for one in (length.typical, length.worst))
    return f"{text}; standard errors: median {typical}, largest {worst} THz"


def _energies(results: Results) -> str:
    if results.projection is None:
        return ""
    equal, ensemble = results.projection.equipartition, results.projection.ensemble
    # A warning says where equipartition fails.
    parts = [equal.text] if equal is not None and equal.holds else []
    parts += [] if ensemble is None else [f"ensemble {ensemble.verdict}"]
    return "; ".join(parts)


def _lifetimes(dataset: NamedArrays) -> str:
    """Range of the lifetimes, and how many each method has resolved."""
    if "resolved" not in dataset:
        return ""
    of = counted(dataset.sizes["set"], "set")
    parts, values = [], []
    for method, name, flag in _METHODS:
        if name in dataset:
            known = dataset[flag].values.astype(bool)
            parts.append(f"{int(known.sum())} from {method}")
            values += dataset[name].values[known].tolist()
    if not values:
        return f"none resolved of {of}"
    span = " to ".join(dict.fromkeys(f"{one:.2g}" for one in (min(values), max(values))))
    return f"{span} ps; {' and '.join(parts)}, of {of}"


_METHODS = (
    ("lines", "lifetime_ps", "resolved"),
    ("energies", "lifetime_energy_ps", "energy_resolved"),
)
"""What lifetimes are taken from, their variable, and whether they are resolved."""


def _conductivity(results: Results) -> str:
    found = results.conductivity
    if found is None:
        return ""
    parts = []
    for kind, one in (("classical", found.classical), ("quantum", found.quantum)):
        mean, sem = (float(np.trace(part)) / 3.0 / W_MK for part in (one.kappa, one.kappa_sem))
        parts.append(f"{plus_minus(mean, sem)} {kind}")
    return f"⅓ tr κ = {', '.join(parts)}, in W/(m K) at {found.temperature:.4g} K"


def _run(results: Results, dataset: NamedArrays) -> str:
    supercell = results.supercell
    size = f"{counted(supercell.n_atoms, 'atom')}, {counted(supercell.n_cells, 'cell')}"
    return f"{run_line(dataset)}; {size}"
