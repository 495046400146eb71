"""`trajmodes sample`: canonical configurations of force constants, as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from trajmodes.data.crystal import Crystal, Supercell, known_supercell
from trajmodes.formats.registry import read_supercell
from trajmodes.pipeline.job_folder import require_no_results
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.thermo.structures import structure_writers
from trajmodes.results.folder import Writer, open_folder, whole_results, write_files
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.sampling import Configurations, Imaginary, harmonic_ensemble

Program = Literal["xyz", "lammps", "vasp"]


def sampled_supercell(
    crystal: Crystal, known: Supercell | None, multiples: Sequence[int] | None
) -> Supercell:
    """Choose the supercell to sample.

    Parameters
    ----------
    known
        Supercell of the force constants; None if it is unknown.
    multiples
        Another supercell in units of the primitive cell: three numbers, or the nine of its
        vectors.

    Raises
    ------
    DataError
        If there is no supercell, or its vectors are linearly dependent.
    """
    if multiples is not None:
        rows = np.diag(multiples) if len(multiples) == 3 else np.reshape(multiples, (3, 3))
        return build_supercell(crystal, rows)
    fix = "give one in units of the primitive cell, such as 4,4,4 (--supercell)"
    return known_supercell(known, fix=fix)


def sample_job(  # noqa: PLR0913 - each keyword is one option
    source: str,
    *,
    temperature: float,
    number: int,
    quantum: bool,
    supercell: Sequence[int] | None,
    imaginary: Imaginary,
    seed: int,
    to: Program,
    output: str,
) -> str:
    """Write configurations of the force constants of a file or folder; return a text on them.

    Raises
    ------
    UsageError
        If the folder holds results, or a file that trajmodes did not write.
    StorageError
        If the files cannot be written.
    """
    root = Path(output)
    require_no_results(root)
    with whole_results(source):
        constants = read_force_constants(source)
        known = read_supercell(Path(source)) if supercell is None else None
    chosen = sampled_supercell(constants.crystal, known, supercell)
    ensemble = harmonic_ensemble(
        constants, chosen, temperature, quantum=quantum, imaginary=imaginary
    )
    found = ensemble.draw(number, np.random.default_rng(seed))
    writers = structure_writers(
        found.supercell, found.displacements, found.velocities, _comment(found), to
    )
    text = f"configurations at {temperature:g} K"
    with open_folder(root) as folder:
        write_files(folder, {name: Writer(text, write) for name, write in writers.items()})
    return _summary(found, root, list(writers), to)


def _comment(found: Configurations) -> str:
    statistics = "quantum" if found.is_quantum else "classical"
    return f"temperature_K={found.temperature:g} statistics={statistics}"


def _summary(found: Configurations, root: Path, names: Sequence[str], to: Program) -> str:
    number, n_atoms = found.displacements.shape[:2]
    rms = float(np.sqrt((found.displacements**2).mean()))
    shown = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
    kind = "quantum" if found.is_quantum else "classical"
    lines = [
        f"{root / shown}: {number} {kind} configurations of {n_atoms} atoms at "
        f"{found.temperature:g} K, rms displacement {rms:.4f} Å in each direction"
    ]
    if found.n_absolute:
        lines.append(
            f"warning: {found.n_absolute} imaginary modes were given the frequency |ω|: these "
            "are configurations of another crystal, a start for self-consistent force constants"
        )
    if to == "vasp":
        lines.append("note: a POSCAR has no velocities")
    return "\n".join(lines) + "\n"
