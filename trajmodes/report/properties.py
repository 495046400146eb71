"""Lines and tables of the summary on thermodynamics and elastic constants."""

from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.free_energy import free_energy_by_order, free_energy_lines
from trajmodes.report.numbers import compact, mesh_of, plus_minus
from trajmodes.report.spectral import lines_of_modes
from trajmodes.report.text.fitted_table import FittedTable

_ROWS = 8
"""Temperatures in the table of the summary, and sites with B_iso."""
_NO_TENSION = 1e-4
"""Tensions in N/m below this are those of the fit to wave vectors that are not quite zero."""
_ROUNDING = 1e-10
"""Errors are rounding below this part of the largest value."""

_TITLES = {
    "potential_stiffness_gpa": "Elastic constants of the potential in GPa",
    "potential_clamped_gpa": "The same at constant reduced coordinates (clamped ions)",
    "piezoelectric": "Piezoelectric tensor e in C/m²",
}


def property_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts on the properties of force constants alone, if there are any."""
    if "thermo_mesh" in dataset:
        divisions = dataset["thermo_mesh"].values
        finer = ", finer around Γ" if divisions.min() > 2 else ""
        yield "Mesh", f"{mesh_of(divisions)} points{finer}"
        energy = _text(dataset, "zero_point_energy", scale=1e3)
        yield "Zero point", f"{energy} meV in a primitive cell"
        yield "Debye", _debye(dataset)
    if "expansion_mean" in dataset:
        yield "Expansion", _expansion(dataset)
    if "b_iso" in dataset:
        yield "B_iso", _b_iso(dataset)
    if "u2_measured" in dataset:
        yield "⟨u²⟩ of the run", _measured(dataset)
    if "spectral_mesh" in dataset:
        yield "Scattering", _scattering(dataset)
    if "run_free_energy" in dataset:
        yield from free_energy_lines(dataset)
    if "elastic_stability_text" in dataset:
        yield "Stability", str(dataset["elastic_stability_text"].item())
        anisotropic = abs(float(dataset["elastic_anisotropy"])) > _ROUNDING
        text = f"{_text(dataset, 'elastic_anisotropy')}; 0 if isotropic"
        yield "Anisotropy", text if anisotropic else "0: isotropic"
        if np.isfinite(float(dataset["elastic_debye"])):
            yield "Debye", f"{_text(dataset, 'elastic_debye')} K, from the velocities of sound"
        yield "Misfit", _misfit(float(dataset["elastic_misfit"]))
    if "bending_rigidity" in dataset:
        yield "Bending", _bending(dataset)


def scattering_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts on structure factors, if there are any."""
    if "sqw_hkl" not in dataset:
        return
    hkl, freq = dataset["sqw_hkl"].values, dataset["scattering_freq_thz"].values
    ends = " to ".join(" ".join(f"{x:.4g}" for x in q + 0.0) for q in hkl[[0, -1]])
    where = "line" if dataset.sizes["section_edge"] == 1 else "plane"
    lengths = dataset["sqw_length"].values
    axes = dataset["sqw_axes"].item()
    text = f"{len(hkl)} on a {where}, {ends} in units of the {axes} cell"
    yield "Q", f"{text}, |Q| up to {lengths.max():.3g}/Å"
    yield (
        "Frequencies",
        (
            f"up to {freq[-1]:.4g} THz in steps of {freq[1] - freq[0]:.3g} THz, resolution "
            f"{float(dataset['sqw_resolution_thz']):.3g} THz"
        ),
    )
    names = dataset["scattering_species"].values.tolist()
    first = dataset["scattering_amplitude"].values[0]
    unit = str(dataset["scattering_unit"].item())
    values = ", ".join(f"{name} {f:.5g}" for name, f in zip(names, first, strict=True))
    yield "Amplitudes", values if unit == "1" else f"{values} {unit}"
    if "sqw_temperature" in dataset:
        kind = "quantum" if bool(dataset["sqw_quantum"]) else "classical"
        yield "One phonon", f"{kind}, {float(dataset['sqw_temperature']):.4g} K"
    if "sqw_static" in dataset and "one_phonon_created" in dataset:
        yield "Beyond", _multiphonon(dataset)


def _multiphonon(dataset: NamedArrays) -> str:
    """Fraction of the intensity of the run that is not one-phonon scattering."""
    # At reciprocal lattice points the acoustic modes are left out.
    q = dataset["sqw_q"].values
    inside = np.abs(q - np.rint(q)).max(axis=1) > 1e-6
    if not inside.any():
        return ""
    both = dataset["one_phonon_created"].values + dataset["one_phonon_annihilated"].values
    one, static = both[inside].sum(), float(dataset["sqw_static"].values[inside].sum())
    error = float(np.sqrt((dataset["sqw_static_sem"].values[inside] ** 2).sum()))
    return f"{plus_minus(1.0 - one / static, error / static)} of S(Q) is not from one phonon"


def property_parts(dataset: NamedArrays) -> list[RenderableType]:
    """Tables of thermodynamic functions and elastic constants, where there are any."""
    parts: list[RenderableType] = []
    if "free_energy" in dataset:
        parts += [Text(), _functions(dataset)]
    if "spectral_harmonic_thz" in dataset:
        parts += [Text(), lines_of_modes(dataset)]
    if "run_free_energy" in dataset:
        parts += [Text(), free_energy_by_order(dataset)]
    for name, unit in (("stiffness_gpa", "GPa"), ("layer_stiffness", "N/m, per layer")):
        if name in dataset:
            title = f"Elastic constants in {unit}"
            parts += [Text(), _tensor(dataset, name, title), Text(), _averages(dataset)]
    for name in ("potential_stiffness_gpa", "potential_clamped_gpa", "piezoelectric"):
        if name in dataset:
            parts += [Text(), _tensor(dataset, name, _TITLES[name])]
    return parts


def _text(
    dataset: NamedArrays, name: str, scale: float = 1.0, place: tuple[int, ...] = ()
) -> str:
    return plus_minus(*_known(dataset, name, scale, place))


def _known(
    dataset: NamedArrays, name: str, scale: float, place: tuple[int, ...]
) -> tuple[float, float | None]:
    """Value and error of a variable; an error at the level of rounding is none."""
    value, sem = scale * float(dataset[name].values[place]), dataset.get(f"{name}_sem")
    error = np.nan if sem is None else scale * float(sem.values[place])
    is_rounding = error < _ROUNDING * max(abs(value), float(np.abs(dataset[name].values).max()))
    return value, None if sem is None or is_rounding else error


def _scattering(dataset: NamedArrays) -> str:
    """Temperature and mesh of three-phonon scattering, and the use of the static part."""
    kelvin, mesh = float(dataset["spectral_temperature"]), dataset["spectral_mesh"].values
    part = dataset["spectral_static_part"].item()
    return (
        f"three phonons at {kelvin:.6g} K on a mesh of {mesh_of(mesh)} points; static part of "
        f"the self-energy {part}"
    )


def _debye(dataset: NamedArrays) -> str:
    orders = dataset["moment_order"].values.tolist()
    theta = {n: _text(dataset, "debye_of_moment", place=(k,)) for k, n in enumerate(orders)}
    text = f"{theta[2]} K from ⟨ω²⟩, {theta[1]} K from ⟨ω⟩, {theta[-2]} K from ⟨ω⁻²⟩"
    if np.isfinite(float(dataset["debye_of_sound"])):
        text = f"{_text(dataset, 'debye_of_sound')} K from sound, {text}"
    return text


def _own_temperature(dataset: NamedArrays) -> tuple[int, float]:
    """Index and value of the temperature of the force constants, or of the highest one."""
    kelvin = dataset["thermo_temperature"].values
    known = "fit_temperature" in dataset
    place = int(np.abs(kelvin - float(dataset["fit_temperature"])).argmin()) if known else -1
    return place, float(kelvin[place])


def _b_iso(dataset: NamedArrays) -> str:
    """Isotropic displacement parameters, once for equivalent sites."""
    place, kelvin = _own_temperature(dataset)
    species = dataset["species"].values.tolist()
    texts = [
        f"{name} {compact(*_known(dataset, 'b_iso', 1.0, (place, s)))}"
        for s, name in enumerate(species)
    ]
    distinct = list(dict.fromkeys(texts))
    more = ", …" if len(distinct) > _ROWS else ""
    return f"{', '.join(distinct[:_ROWS])}{more} Å² at {kelvin:.4g} K, quantum"


def _expansion(dataset: NamedArrays) -> str:
    """Linear thermal expansion at the temperature of the force constants, or the highest."""
    place, kelvin = _own_temperature(dataset)
    text = _text(dataset, "expansion_mean", 1e6, (place,))
    return (
        f"{text} · 10⁻⁶/K along a direction at {kelvin:.4g} K, from third order on "
        f"{mesh_of(dataset['expansion_mesh'].values)} points"
    )


def _measured(dataset: NamedArrays) -> str:
    """Isotropic mean square displacement of each species, measured and harmonic."""
    species = dataset["species"].values
    trace = {
        name: np.einsum("sxx->s", dataset[name].values) / 3.0
        for name in ("u2_measured", "u2_commensurate")
        if name in dataset
    }
    # Directions and sites that symmetry makes equal have the same error.
    sem = np.einsum("sxx->s", dataset["u2_measured_sem"].values) / 3.0
    parts = []
    for name in dict.fromkeys(species.tolist()):
        own = species == name
        error = float(sem[own].mean())
        measured = plus_minus(float(trace["u2_measured"][own].mean()), error)
        if "u2_commensurate" in trace:
            harmonic = plus_minus(float(trace["u2_commensurate"][own].mean()), error)
            measured += f" Å² (force constants: {harmonic.split(' ± ')[0]} Å²)"
        else:
            measured += " Å²"
        parts.append(f"{name} {measured}")
    return ", ".join(parts)


_ROUND_OFF = 1e-10


def _misfit(part: float) -> str:
    if part < _ROUND_OFF:
        return "none: no sign of initial stress; a pressure would not show"
    text = f"{100.0 * part:.2g} % of the acoustic tensor"
    if part < 0.01:
        return f"{text}: no sign of initial stress; a pressure would not show"
    return f"{text}: initial stress, or noise that breaks rotational invariance"


def _bending(dataset: NamedArrays) -> str:
    """Bending rigidity and tension of a layer along each direction."""
    directions = dataset["bending_direction"].values
    parts = []
    for k, unit in enumerate(directions):
        along = " ".join(f"{x:.3g}" for x in unit + 0.0)
        rigidity = _text(dataset, "bending_rigidity", place=(k,))
        tension = f"tension {_text(dataset, 'bending_tension', place=(k,))} N/m"
        if abs(float(dataset["bending_tension"].values[k])) < _NO_TENSION:
            tension = "no tension"
        parts.append(f"κ = {rigidity} eV, {tension}, along ({along})")
    return "; ".join(parts)


def _functions(dataset: NamedArrays) -> Group:
    table = FittedTable()
    for name in ("T\nK", "F\nmeV", "U\nmeV", "S\nk_B", "C_V\nk_B", "Θ\nK", "F classical\nmeV"):
        table.add_column(name, justify="right", no_wrap=True)
    kelvin = dataset["thermo_temperature"].values
    shown = np.unique(
        np.linspace(0, len(kelvin) - 1, min(_ROWS, len(kelvin))).round().astype(int)
    )
    names = (
        *(("free_energy", 1e3), ("energy", 1e3), ("entropy_kb", 1.0), ("capacity_kb", 1.0)),
        *(("debye_of_capacity", 1.0), ("free_energy_classical", 1e3)),
    )
    for t in shown.tolist():
        cells = [f"{kelvin[t]:g}"]
        for name, scale in names:
            cells.append(compact(*_known(dataset, name, scale, (t,))))
        table.add_row(*map(Text, cells))
    return Group(table, Text("one primitive cell; Θ: Debye temperature of the heat capacity"))


def _tensor(dataset: NamedArrays, name: str, title: str) -> Group:
    """Table of a matrix; columns are components of strain, rows are these or directions."""
    table = FittedTable()
    rows, columns = dataset[name].dims
    titles = [str(one) for one in dataset[columns.removesuffix("_2")].values]
    for label in ("", *titles):
        table.add_column(label, justify="right", no_wrap=True)
    labels = [str(one) for one in dataset[rows].values]
    values, sem = dataset[name].values, dataset.get(f"{name}_sem")
    # Errors that symmetry makes zero are rounding.
    noise = 1e-7 * np.abs(values).max()
    for i, label in enumerate(labels):
        cells = [label]
        for j in range(len(titles)):
            error = None if sem is None else float(sem.values[i, j])
            known = error is not None and error > noise
            zero = abs(float(values[i, j])) <= noise and not known
            cells.append(
                "0" if zero else compact(float(values[i, j]), error if known else None)
            )
        table.add_row(*map(Text, cells))
    return Group(Text(title, style="bold"), table)


def _averages(dataset: NamedArrays) -> FittedTable:
    bulk = "bulk_modulus_gpa" in dataset
    names = (
        ("bulk_modulus_gpa", "shear_modulus_gpa", "young_modulus_gpa")
        if bulk
        else ("layer_area_modulus", "layer_shear_modulus", "layer_young_modulus")
    )
    unit = "GPa" if bulk else "N/m"
    table = FittedTable()
    titles = (
        f"{'bulk' if bulk else 'area'} {unit}",
        f"shear {unit}",
        f"Young {unit}",
        "Poisson",
    )
    for title in ("average", *titles):
        table.add_column(title, justify="right", no_wrap=True)
    for k, average in enumerate(dataset["average"].values):
        cells = [str(average)]
        cells += [
            compact(*_known(dataset, name, 1.0, (k,))) for name in (*names, "poisson_ratio")
        ]
        table.add_row(*map(Text, cells))
    return table
