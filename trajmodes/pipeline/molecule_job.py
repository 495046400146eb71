"""The job `trajmodes molecule`: from files to a folder of files and a text for the terminal."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.config import Job, toml_text
from trajmodes.errors import UsageError
from trajmodes.export.normal_coordinates import write_normal_coordinates
from trajmodes.pipeline.log import Log, StartBar, no_bars
from trajmodes.pipeline.molecule import (
    MoleculeResults,
    MoleculeRun,
    analyse_molecule,
    normal_coordinates,
    open_molecule,
)
from trajmodes.report import Projection, Writer, open_folder, write_files
from trajmodes.report.tables import Table
from trajmodes.symmetry.isolated import hessian_of
from trajmodes.units import BOLTZMANN, DALTON, THZ

__all__ = ["MoleculeFiles", "WrittenMolecule", "modes_table", "molecule_job", "show_molecule"]

Columns = dict[str, tuple[npt.NDArray[Any], str]]
"""Heading → numbers or texts of every vibration, and what they are."""


class MoleculeFiles(NamedTuple):
    """Files beside the trajectory, and what is to be written."""

    reference: str | None = None
    """The reference, atoms in the order of the trajectory; None for the average structure."""
    hessian: str | None = None
    """Second derivatives in eV/Å² at the reference; None to fit them."""
    series: bool = False
    """Whether q̃ and ṽ of every frame are written."""


class WrittenMolecule(NamedTuple):
    """Results and the files that hold them."""

    results: MoleculeResults
    files: Mapping[str, str]
    """Path → what the file is, in one line."""


def molecule_job(
    job: Job, files: MoleculeFiles, *, command: str, bars: StartBar = no_bars
) -> WrittenMolecule:
    """Find the modes of a molecule in a run without periodicity, and write a folder.

    Parameters
    ----------
    job
        What to read, and the folder; see `open_molecule` for the settings that are used.
    files
        Reference, second derivatives, and whether coordinates are written.
    command
        The command line or call, for the log.
    bars
        Starts a progress bar.

    Raises
    ------
    UsageError
        If second derivatives come without the reference that they belong to.
    TrajmodesError
        Whatever is wrong with the input, the folder or the disk, with what to do about it.
    """
    if files.hessian is not None and files.reference is None:
        raise UsageError(
            "a Hessian is given, but not the geometry that it belongs to",
            why="the average structure lies and is turned in another way",
            fix="give --reference FILE, atoms in the order of the trajectory",
        )
    log = Log()
    log.tell(command)
    with open_folder(job.output) as folder:
        with log.stage("open and find the reference"):
            run = open_molecule(job, reference=files.reference)
        results = analyse_molecule(run, log=log, hessian=files.hessian, bars=bars)
        for note in results.notes:
            log.tell(f"note: {note}")
        with log.stage("write"):
            writers = _writers(run, results, log, series=files.series)
            names = write_files(folder, writers)
    return WrittenMolecule(
        results, {str(Path(job.output) / name): text for name, text in names.items()}
    )


def show_molecule(results: MoleculeResults, files: Mapping[str, str]) -> str:
    """Tell what a run of a molecule gave and where it was written.

    Parameters
    ----------
    results
        What it gave.
    files
        Path of each file that was written → what it is.
    """
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
            f"forces left by them: {quality.rms_residual:.3g} of {quality.rms_force:.3g} eV/Å "
            f"(R² {quality.r_squared:.6f}, {quality.n_frames} frames)"
        )
    if results.projection is not None:
        energies = results.projection.energies
        lines.append(
            f"vibrational temperature {energies.temperature:.4g} "
            f"± {energies.temperature_sem:.2g} K"
        )
    lines += ["", *_rows(results), ""]
    lines += [f"note: {note}" for note in results.notes]
    lines += [f"{path}: {text}" for path, text in files.items()]
    return "\n".join(lines) + "\n"


def modes_table(results: MoleculeResults) -> Table:
    """Table of the vibrations, one row each.

    Parameters
    ----------
    results
        What a run gave.
    """
    columns = _columns(results)
    return Table(
        f"normal modes of {results.molecule.crystal.formula}",
        {name: values for name, (values, _) in columns.items()},
        {name: text for name, (_, text) in columns.items()},
    )


def _columns(results: MoleculeResults) -> Columns:
    table = results.table
    columns: Columns = {
        "mode": (table.mode, "number of the mode, external motions counted"),
        "set": (table.set, "modes of equal frequency have one number"),
        "freq_thz": (table.freq_thz, "THz, harmonic; negative where imaginary"),
        "freq_thz_sem": (table.freq_thz_sem, "THz, standard error"),
        "wavenumber_cm": (table.wavenumber_cm, "1/cm"),
        "energy_mev": (table.energy_mev, "meV"),
        "reduced_mass_da": (table.reduced_mass_da, "Da, for Cartesian vectors of norm 1"),
        "force_constant": (table.force_constant, "eV/Å², reduced mass times ω²"),
        "participation": (table.participation, "1 where all atoms move alike"),
    }
    if results.projection is not None:
        columns |= _projected(results.projection, table.set)
    return columns


def _projected(projection: Projection, sets: npt.NDArray[np.int64]) -> Columns:
    """Columns of what the run says, each mode with the numbers of its set."""
    energies, lines = projection.energies, projection.lines
    columns: Columns = {
        "kinetic_ev": (energies.kinetic, "eV, mean kinetic energy"),
        "kinetic_ev_sem": (energies.kinetic_sem, "eV"),
        "potential_ev": (energies.potential, "eV, ½ω²⟨Q²⟩; nothing where ω² < 0"),
        "potential_ev_sem": (energies.potential_sem, "eV"),
        "freq_displacement_thz": (energies.omega_displacement / THZ, "THz, from ⟨Q²⟩ and T"),
        "freq_ratio_thz": (energies.omega_ratio / THZ, "THz, from ⟨Q̇²⟩/⟨Q²⟩"),
        "line_freq_thz": (lines.freq_thz, "THz, of the spectral line"),
        "line_freq_thz_sem": (lines.freq_thz_sem, "THz"),
        "linewidth_thz": (lines.linewidth_thz, "THz, full width at half maximum"),
        "linewidth_thz_sem": (lines.linewidth_thz_sem, "THz"),
        "lifetime_ps": (lines.lifetime_ps, "ps, 1/(2π linewidth)"),
        "lifetime_ps_sem": (lines.lifetime_ps_sem, "ps"),
        "verdict": (np.array(lines.verdicts, dtype=str), "on the line"),
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
    """Lines of the terminal's table."""
    table, projection = results.table, results.projection
    heads = ["mode", "set", "THz", "± THz", "1/cm", "meV", "μ/Da", "k eV/Å²"]
    columns: list[list[str]] = [
        [str(m) for m in table.mode],
        [str(g) for g in table.set],
        *(
            _numbers(values, digits)
            for values, digits in (
                (table.freq_thz, 4),
                (table.freq_thz_sem, 4),
                (table.wavenumber_cm, 2),
                (table.energy_mev, 3),
                (table.reduced_mass_da, 3),
                (table.force_constant, 3),
            )
        ),
    ]
    if projection is not None:
        kelvin = 2.0 / BOLTZMANN * projection.energies.kinetic
        heads += ["T/K", "line THz", "τ/ps"]
        columns += [
            _numbers(kelvin[table.set], 1),
            _numbers(projection.lines.freq_thz[table.set], 4),
            _numbers(projection.lines.lifetime_ps[table.set], 2),
        ]
    widths = [
        max(map(len, (head, *column))) for head, column in zip(heads, columns, strict=True)
    ]
    rows = [heads, *zip(*columns, strict=True)]
    return ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]


def _numbers(values: Floats, digits: int) -> list[str]:
    return [f"{x:.{digits}f}" if np.isfinite(x) else "–" for x in values]


def _writers(
    run: MoleculeRun, results: MoleculeResults, log: Log, *, series: bool
) -> dict[str, Writer]:
    text = "normal modes: frequencies, reduced masses, what the run says of each"
    writers = {
        "modes.csv": Writer(text, modes_table(results).write),
        "reference.xyz": Writer(
            "the reference; frequencies belong to it", partial(_put, text=_xyz(results))
        ),
        "hessian.npy": Writer(
            "second derivatives in eV/Å² at the reference",
            _array(hessian_of(results.constants)[0]),
        ),
        "vectors.npy": Writer(
            "Cartesian displacements (mode, atom, 3) of norm 1, in the order of modes.csv",
            _array(_cartesian(results)),
        ),
    }
    if series:
        write = partial(
            write_normal_coordinates,
            modes=results.table.mode,
            freq_thz=results.table.freq_thz,
            blocks=normal_coordinates(run, results.modes),
        )
        text = "normal-mode positions and velocities of every frame, as for i-PI"
        writers["normal_coordinates.nc"] = Writer(text, write)
    writers["run.toml"] = Writer("the job as resolved", partial(_put, text=toml_text(run.job)))
    writers["run.log"] = Writer("what was done, and how long it took", log.write)
    return writers


def _cartesian(results: MoleculeResults) -> Floats:
    vectors = results.modes.vectors[0, results.table.mode].real
    moved = vectors / np.sqrt(results.molecule.masses)[:, None]
    norms: Floats = np.linalg.norm(moved, axis=(1, 2), keepdims=True)
    unit: Floats = moved / norms
    return unit


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


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _array(values: Floats) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        buffer = io.BytesIO()
        np.save(buffer, values)
        path.write_bytes(buffer.getvalue())

    return write
