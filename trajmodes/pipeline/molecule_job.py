"""The command `trajmodes molecule`: its folder, its table, and its text for the terminal."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.config.job import Job, toml_text
from trajmodes.data.results import Projection
from trajmodes.molecules.hessian import hessian_of
from trajmodes.molecules.normal_modes import cartesian_vectors
from trajmodes.pipeline.checkpoint import Task, checkpoints
from trajmodes.pipeline.job_folder import (
    Log,
    StartBar,
    inputs_of,
    no_bars,
    scratch_in,
    text_writer,
)
from trajmodes.pipeline.molecule import (
    MoleculeResults,
    MoleculeRun,
    analyse_molecule,
    normal_coordinates,
    open_molecule,
)
from trajmodes.readers.trajectory import Trajectory
from trajmodes.report.figures.catalogue import Drawing
from trajmodes.report.numbers import plus_minus
from trajmodes.results.dataset import amplitude_batches, molecule_dataset
from trajmodes.results.folder import Writer, open_folder, require_replaceable, write_files
from trajmodes.results.netcdf import AMPLITUDES, COORDINATES, write_series
from trajmodes.results.tables import Table
from trajmodes.units import DALTON, HBAR, MEV, THZ, WAVENUMBER

_FILES = ("modes.csv", "reference.xyz", "hessian.npy", "vectors.npy", "run.toml", "run.log")
_SPECTRA = "spectra.png"
_WIDTH = 80


class WrittenMolecule(NamedTuple):
    """Results and the files that contain them."""

    results: MoleculeResults
    files: Mapping[str, str]
    """Path → what the file is, in one line."""


def molecule_job(
    job: Job, *, command: str, bars: StartBar = no_bars, frames: Trajectory | None = None
) -> WrittenMolecule:
    """Find the modes of a molecule in a run without periodicity, and write a folder.

    `frames` is an open trajectory, used in place of the job's files.

    Raises
    ------
    UsageError
        If the folder contains the input files, or files that trajmodes did not write.
    TrajmodesError
        If the input, the folder or the disk is unusable.
    """
    files = job.molecule
    inputs = [one for one in (files.reference, files.hessian) if one is not None]
    more = {COORDINATES.file: files.series, AMPLITUDES.file: job.projection.save_amplitudes}
    names = (*_FILES, _SPECTRA, *(name for name, wanted in more.items() if wanted))
    require_replaceable(job.folder, names, [*inputs, *inputs_of(job)])
    log = Log()
    log.record(command)
    with (
        open_folder(job.folder) as folder,
        scratch_in(folder.path) as temporary,
        checkpoints(
            Task("molecule", command, job),
            folder,
            log=log,
            scratch=Path(temporary),
            is_whole=frames is None,
        ) as scratch,
    ):
        with log.stage("open and find the reference"):
            run = open_molecule(job, frames=frames)
        results = analyse_molecule(run, log=log, bars=bars, scratch=scratch)
        for note in (*results.notes, *results.not_done):
            log.record(f"note: {note}")
        with log.stage("write"):
            writers = _writers(run, results, log, series=files.series)
            written = write_files(folder, writers)
    # The file of the amplitudes was temporary.
    results = replace(results, amplitudes=None)
    return WrittenMolecule(
        results, {str(Path(job.folder) / name): text for name, text in written.items()}
    )


def _writers(
    run: MoleculeRun, results: MoleculeResults, log: Log, *, series: bool
) -> dict[str, Writer]:
    hessian = hessian_of(results.constants)[0]
    writers = {
        "modes.csv": Writer(
            "normal modes: frequencies, reduced masses, results of the run for each",
            modes_table(results).write,
        ),
        "reference.xyz": Writer("the reference of the modes", text_writer(_xyz(results))),
        "hessian.npy": Writer(
            "second derivatives in eV/Å² at the reference", partial(_save, values=hessian)
        ),
        "vectors.npy": Writer(
            "Cartesian displacements (mode, atom, 3) of norm 1, in the order of modes.csv",
            partial(_save, values=cartesian_vectors(results.modes)),
        ),
    }
    if series:
        datasets = normal_coordinates(run, results.modes, results.table)
        writers[COORDINATES.file] = Writer(
            "normal-mode positions and velocities of every frame, as for i-PI",
            partial(write_series, datasets, kind=COORDINATES),
        )
    projection = results.projection
    if projection is not None and projection.lines is not None:
        dataset = molecule_dataset(results.modes, projection)
        writers[_SPECTRA] = Writer(
            "spectral lines of the vibrations with fits",
            Drawing("spectra.draw_spectra", dataset).write,
        )
    if results.amplitudes is not None:
        batches = amplitude_batches(results.amplitudes)
        writers[AMPLITUDES.file] = Writer(
            "amplitudes Q(t) and their velocities of the chosen modes",
            partial(write_series, batches, kind=AMPLITUDES),
        )
    job_text = toml_text(run.job)
    writers["run.toml"] = Writer("all options of the run", text_writer(job_text))
    writers["run.log"] = Writer("stages and their durations", log.write)
    return writers


def _xyz(results: MoleculeResults) -> str:
    molecule = results.molecule
    rows = [
        f"{name} {x:.12f} {y:.12f} {z:.12f} {mass:.9f}"
        for name, (x, y, z), mass in zip(
            molecule.species, molecule.positions, molecule.masses / DALTON, strict=True
        )
    ]
    head = 'Properties=species:S:1:pos:R:3:masses:R:1 pbc="F F F"'
    return "\n".join([str(len(rows)), head, *rows]) + "\n"


def _save(path: Path, values: Floats) -> None:
    with path.open("wb") as file:  # np.save would add .npy to the name
        np.save(file, values)


Columns = dict[str, tuple[npt.NDArray[Any], str]]
"""Heading → numbers or texts of every vibration, and their description."""


def show_molecule(results: MoleculeResults, files: Mapping[str, str]) -> str:
    """Text with the results and the files that were written (path → description)."""
    crystal = results.molecule.crystal
    count = len(results.table.mode)
    source = "fitted to the run" if results.fitted else "from a file"
    lines = [
        f"{crystal.formula}: {crystal.n_sites} atoms, {count} vibrations, "
        f"{results.n_external} external motions; second derivatives {source}"
    ]
    quality = results.constants.quality
    if quality is not None:
        lines.append(
            f"rms residual of the forces: {quality.rms_residual:.3g} of "
            f"{quality.rms_force:.3g} eV/Å (R² {quality.r_squared:.6f}, "
            f"{quality.n_frames} frames)"
        )
    if results.projection is not None:
        energies = results.projection.energies
        kelvin = plus_minus(energies.temperature, energies.temperature_sem)
        lines.append(f"vibrational temperature {kelvin} K")
        test = results.projection.equipartition
        lines += [] if test is None else [test.text]
    lines += ["", *_rows(results), ""]
    if results.projection is not None and results.projection.lines is not None:
        verdicts = Counter(map(str, results.projection.lines.verdicts))
        lines += [f"lines: {count} {verdict}" for verdict, count in verdicts.items()]
    lines += [
        fill(f"note: {note}", _WIDTH, subsequent_indent="      ") for note in results.notes
    ]
    lines += list(map(str, results.not_done))
    lines += [f"{path}: {text}" for path, text in files.items()]
    return "\n".join(lines) + "\n"


def modes_table(results: MoleculeResults) -> Table:
    """Table of the vibrations, one row each."""
    columns = _columns(results)
    return Table(
        f"normal modes of {results.molecule.crystal.formula}",
        {name: values for name, (values, _) in columns.items()},
        {name: text for name, (_, text) in columns.items()},
    )


def _columns(results: MoleculeResults) -> Columns:
    table = results.table
    columns: Columns = {
        "mode": (table.mode, "index of the mode, external motions included"),
        "set": (table.set, "degenerate modes have the same number"),
        "freq_thz": (table.omega / THZ, "THz, harmonic; negative if imaginary"),
        "freq_thz_sem": (table.omega_sem / THZ, "THz, standard error"),
        "wavenumber_cm": (table.omega / WAVENUMBER, "1/cm"),
        "energy_mev": (table.omega * HBAR / MEV, "meV"),
        "reduced_mass_da": (table.reduced_mass / DALTON, "Da, for Cartesian vectors of norm 1"),
        "force_constant": (table.force_constant, "eV/Å², reduced mass times ω²"),
        "participation": (table.participation, "1 if all atoms move equally"),
    }
    if results.projection is not None:
        columns |= _projected(results.projection, table.set)
    return columns


def _projected(projection: Projection, sets: Ints) -> Columns:
    """Columns from the projection of the run, each mode with the values of its set."""
    energies, lines, test = projection.energies, projection.lines, projection.equipartition
    columns: Columns = {
        "temperature": (energies.mode_temperature, "K, mode temperature 2⟨K⟩/k_B"),
        "temperature_sem": (energies.mode_temperature_sem, "K"),
        "kinetic_ev": (energies.kinetic, "eV, mean kinetic energy"),
        "kinetic_ev_sem": (energies.kinetic_sem, "eV"),
    }
    # The Eckart frame needs positions, so that nothing of this is missing.
    for name, values, unit, text in (
        ("potential_ev", energies.potential, 1.0, "eV, ½ω²⟨Q²⟩; empty if ω² < 0"),
        ("potential_ev_sem", energies.potential_sem, 1.0, "eV"),
        ("freq_displacement_thz", energies.omega_displacement, THZ, "THz, from ⟨Q²⟩ and T"),
        ("freq_ratio_thz", energies.omega_ratio, THZ, "THz, from ⟨Q̇²⟩/⟨Q²⟩"),
    ):
        assert values is not None
        columns[name] = (values / unit, text)
    if test is not None:
        text = "deviation of the temperature from that of all modes, in standard errors"
        columns["equipartition_z"] = (test.z, text)
    if lines is not None:
        columns |= {
            "line_freq_thz": (lines.omega / THZ, "THz, of the spectral line"),
            "line_freq_thz_sem": (lines.omega_sem / THZ, "THz"),
            "linewidth_thz": (lines.linewidth / THZ, "THz, full width at half maximum"),
            "linewidth_thz_sem": (lines.linewidth_sem / THZ, "THz"),
            "lifetime_ps": (lines.lifetime_ps, "ps, 1/(2π linewidth)"),
            "lifetime_ps_sem": (lines.lifetime_ps_sem, "ps"),
            "verdict": (np.array(lines.verdicts, dtype=str), "of the line"),
            "advice": (np.array(lines.advice, dtype=str), "what would resolve the line"),
        }
    if energies.anharmonicity is not None and energies.anharmonicity_sem is not None:
        columns["anharmonicity"] = (energies.anharmonicity, "W/U − 1, W from the forces")
        columns["anharmonicity_sem"] = (energies.anharmonicity_sem, "")
    decay = projection.lifetimes
    if decay is not None:
        columns["energy_lifetime_ps"] = (decay.lifetime_ps, "ps, from energy correlations")
        columns["energy_lifetime_ps_sem"] = (decay.lifetime_ps_sem, "ps")
    return {name: (values[sets], text) for name, (values, text) in columns.items()}


def _rows(results: MoleculeResults) -> list[str]:
    """Rows of the table for the terminal."""
    table, projection = results.table, results.projection
    heads = ["mode", "set", "THz", "± THz", "1/cm", "meV", "μ/Da", "k eV/Å²"]
    columns: list[list[str]] = [
        [str(m) for m in table.mode],
        [str(g) for g in table.set],
        *(
            _numbers(values, digits)
            for values, digits in (
                (table.omega / THZ, 4),
                (table.omega_sem / THZ, 4),
                (table.omega / WAVENUMBER, 2),
                (table.omega * HBAR / MEV, 3),
                (table.reduced_mass / DALTON, 3),
                (table.force_constant, 3),
            )
        ),
    ]
    if projection is not None:
        kelvin = projection.energies.mode_temperature
        heads.append("T/K")
        columns.append(_numbers(kelvin[table.set], 1))
    if projection is not None and projection.lines is not None:
        heads += ["line THz", "τ/ps"]
        columns += [
            _numbers(projection.lines.omega[table.set] / THZ, 4),
            _numbers(projection.lines.lifetime_ps[table.set], 2),
        ]
    widths = [
        max(map(len, (head, *column))) for head, column in zip(heads, columns, strict=True)
    ]
    rows = [heads, *zip(*columns, strict=True)]
    return ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]


def _numbers(values: Floats, digits: int) -> list[str]:
    return [f"{x:.{digits}f}" if np.isfinite(x) else "–" for x in values]
