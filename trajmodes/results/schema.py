"""The variables of a results file, each declared once, in ``variables.csv`` beside this module.

A row gives the name of a variable, its dimensions, unit, meaning and convention, and its
source: a path of attributes in `trajmodes.data.results.Results` or in one of the objects that
`trajmodes.results.dataset` derives. The Dataset, the headings of the tables and the list in
``docs/variables.md`` are made from these declarations.

A variable ``x_sem`` is the standard error of ``x``, with the same dimensions and unit. A bare
name is in eV, Å, ps, K; another unit is part of the name.
"""

import csv
import re
from importlib.resources import files
from typing import NamedTuple


class Variable(NamedTuple):
    """A variable of the results."""

    name: str
    dimensions: tuple[str, ...]
    unit: str
    """1 for pure numbers, empty for text."""
    source: str
    """Path of attributes. A number is an index; the attribute of a tuple is that of each of its
    elements. The standard error is the attribute of the same name with ``_sem``."""
    divide_by: str
    """Unit by which the source is divided; empty if it has the unit of the variable."""
    is_coordinate: bool
    """Whether it is a coordinate of a dimension."""
    meaning: str
    convention: str
    """Definition, sign or normalisation."""
    section: str
    """Heading in the list of variables."""

    @property
    def text(self) -> str:
        """Unit, meaning and convention in one line."""
        text = self.meaning if self.unit in ("", "1") else f"{self.meaning}, in {self.unit}"
        return f"{text} ({self.convention})" if self.convention else text


DIMENSIONS = {
    "vector": "lattice vectors a, b, c",
    "vector_2": "lattice vectors a, b, c of the primitive cell",
    "reciprocal": "reciprocal lattice vectors",
    "xyz": "Cartesian directions",
    "xyz_2": "Cartesian directions, second of two",
    "xyz_3": "Cartesian directions, third; of the third atom",
    "xyz_4": "Cartesian directions of the fourth atom",
    "reim": "real and imaginary part",
    "site": "sites of the primitive cell, from 0",
    "occupant": "elements on the sites, and empty sites",
    "pair": "pairs of atoms, first one in the home cell",
    "block": "delete-one-block estimates (jackknife)",
    "shell": "neighbour shells",
    "alloy_pair": "pairs of an alloy by species and orbit of the parent crystal",
    "pair_member": "atoms of a pair",
    "absent_pair": "pairs of species and orbits that no run has",
    "optic": "optic modes at Γ",
    "triplet": "triplets of atoms in every order of members, first one in the home cell",
    "triplet_member": "atoms of a triplet",
    "triplet_side": "distances within a triplet",
    "triplet_shell": "triplets of the same species and distances",
    "quartet": "quartets of atoms in every order of members, first one in the home cell",
    "quartet_member": "atoms of a quartet",
    "quartet_side": "distances within a quartet",
    "quartet_shell": "quartets of the same species and distances",
    "order": "orders of force constants: 2 for pairs, 3 for triplets, 4 for quartets",
    "constraint": "constraints imposed in addition to the translational sum rules",
    "run_part": "initial parts of the run, of increasing length",
    "qpoint": "commensurate q points, one of each ±q",
    "qpoint_2": "the same, for the second mode of a pair",
    "branch": "branches in ascending frequency, from 1",
    "branch_2": "the same, for the second mode of a pair",
    "set": "sets of symmetry-equivalent modes: star of q and degenerate branches",
    "set_2": "the same, for the second set of a pair",
    "element": "species of the crystal",
    "time_part": "successive parts of the run",
    "freq_thz": "frequency grid of the spectra",
    "line_bin": "frequencies around each line",
    "entropy_freq_thz": "frequency grid of the maximum-entropy spectra",
    "lag": "lags of the energy autocorrelation",
    "path": "points along the band path",
    "tick": "named points of the band path",
    "map_point": "commensurate q points on the band path",
    "map_freq_thz": "frequency grid of the spectral energy density",
    "kappa_freq_thz": "frequency grid of the conductivity",
    "kappa_path": "grid of mean free paths of the conductivity",
    "thermo_temperature": "temperatures of the thermodynamic functions",
    "dos_freq_thz": "frequency grid of the density of states",
    "layer": "atomic layers of a slab, from the lower surface",
    "surface": "surfaces of a slab: lower, upper",
    "moment_order": "orders n of the moments of the frequencies",
    "statistics": "statistics of the harmonic part: classical, quantum",
    "expansion_order": "orders to which the free energy of a run is expanded",
    "cumulant": "orders of the terms of the expansion",
    "energy_replicate": "replicates of the force constants, those of neighbouring blocks added",
    "difference_block": "blocks of time of the energies of a run",
    "difference_bin": "deviations of the energy difference from its mean",
    "strain": "components of strain: xx, yy, zz, yz, xz, xy; xx, yy, xy of a layer",
    "strain_2": "the same, of stress",
    "average": "averages of the elastic constants over orientations: Voigt, Reuss, Hill",
    "flexural_wave": "directions of flexural waves in a layer",
    "sound_plane": "planes of the directions of sound",
    "sound_angle": "directions of sound in a plane",
    "wave": "acoustic waves of one direction, by ascending velocity",
    "series_run": "runs of a series",
    "series_set": "sets of symmetry-equivalent modes that a series follows",
    "curve_temperature": "temperatures of fitted curves",
    "soft_grid": "temperatures of the fits to soft modes",
    "series_basis": "polynomials of the series",
    "pressure_gpa": "pressures of the quasiharmonic approximation",
    "qha_temperature": "temperatures of the quasiharmonic approximation",
    "qha_run_volume": "volumes at which there are force constants",
    "equation": "equations of state, or forms of F in ln a and ln c",
    "wavevector": "scattering vectors Q",
    "section_edge": "edges of the line or plane of scattering vectors",
    "scattering_freq_thz": "frequency grid of the dynamic structure factor",
    "scattering_species": "species of the scattering amplitudes",
    "scattering_line": "scattering vectors on the line, between those of the run",
    "spectral_point": "q points of the spectral functions",
    "spectral_freq_thz": "frequency grid of self-energies and spectral functions",
    "spectral_bin": "frequencies around the maximum of each spectral function",
    "measured_line_bin": "frequencies around each line of the measured run",
    "measured_freq_thz": "frequency grid of the spectra of the measured run",
    "phase": "the two phases that are compared",
    "crossing": "crossings of two Gibbs free energies; one at least for each pressure",
    "voigt": "components of strain: xx, yy, zz, yz, xz, xy",
    "voigt_2": "the same, of stress",
    "bvk_model": "sources of Born–von Kármán constants",
    "bvk_constant": "independent constants of the neighbour shells",
    "bvk_shell": "neighbour shells of bonds that symmetry makes equal, nearest first",
    "bvk_measured": "measured frequencies",
    "bvk_mode": "sets of equivalent modes at which fits are compared",
    "scheme": "coordinates in which the Gibbs energy of a potential is minimised",
    "symmetric_strain": "strains that keep the space group",
    "zone_point": "irreducible points of the mesh of the minimisation",
    "compared": "other results with lattice parameters at temperature",
    "check": "quantities of the input check",
    "input": "files that were read",
    "reason": "reasons why results were not computed",
    "warning": "warnings",
    "note": "notes",
}
"""Dimension → meaning."""


def _read() -> dict[str, Variable]:
    """Read the declarations; a line that begins with # is a section heading."""
    lines = files("trajmodes.results").joinpath("variables.csv").read_text("utf-8")
    variables: dict[str, Variable] = {}
    section = ""
    for row in csv.reader(lines.splitlines()[1:]):
        if row[0].startswith("# "):
            section = row[0].removeprefix("# ")
            continue
        name, dimensions, unit, source, divide_by, coordinate, meaning, convention = row
        variables[name] = Variable(
            *(name, tuple(dimensions.split()), unit, source, divide_by),
            *(bool(coordinate), meaning, convention, section),
        )
    return variables


VARIABLES = _read()
"""Name → declaration."""


def variable_of(name: str) -> Variable:
    """Return the declaration of a variable; ``x_sem`` is derived from ``x``."""
    if name in VARIABLES:
        return VARIABLES[name]
    of = VARIABLES[name.removesuffix("_sem")]
    return of._replace(name=name, meaning=f"standard error: {of.meaning}", convention="")


def _typeset(text: str) -> str:
    """Write a text in Markdown: names as code, indices and powers typeset."""

    def word(found: re.Match[str]) -> str:
        name = found[0]
        if name in VARIABLES or name.endswith(".h5"):
            return f"`{name}`"
        return re.sub(r"_([A-Z]|[a-z]+|\d+)", r"<sub>\1</sub>", name)

    text = re.sub(r"\w+_[\w.]*\w", word, text.replace("|", "\\|"))
    return re.sub(r"\^(?:\(([^)]*)\)|(\S))", r"<sup>\1\2</sup>", text)


def list_variables() -> str:
    """List of all variables in Markdown, as printed in ``docs/variables.md``."""
    lines: list[str] = []
    section = ""
    for variable in VARIABLES.values():
        if variable.section != section:
            section = variable.section
            lines += [
                "",
                f"## {section}",
                "",
                "| variable | axes | unit | meaning |",
                "|---|---|---|---|",
            ]
        axes = ", ".join(variable.dimensions)
        text = variable.meaning + (f"; {variable.convention}" if variable.convention else "")
        cells = (f"`{variable.name}`", axes, _typeset(variable.unit), _typeset(text))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines).lstrip("\n") + "\n"
