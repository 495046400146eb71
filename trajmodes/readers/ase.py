"""Frames by way of ASE: ``.traj``, vasprun.xml, XDATCAR and whatever else ASE reads.

Only ``.traj`` can be entered at any frame; other formats are read once and kept in memory,
which their size (ab initio runs) allows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.foreign_frame import ForeignFrame, ForeignInfo
from trajmodes.readers.safe_formats import ase_format
from trajmodes.units import ASE_TIME, DALTON, FEMTOSECOND

if TYPE_CHECKING:
    from ase import Atoms


# ASE's unit of time is Å √(u/eV); in ps that is √(u in eV ps²/Å²).


@dataclass(frozen=True, slots=True)
class AseFrames:
    """All frames of a file that can only be read from its beginning."""

    info: ForeignInfo
    kept: tuple[ForeignFrame, ...]

    def frames(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Frames start … stop − 1."""
        return iter(self.kept[start:stop])


@dataclass(frozen=True, slots=True)
class _TrajFrames:
    """Frames of an ASE .traj file, read when asked for."""

    info: ForeignInfo
    path: Path

    def frames(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Frames start … stop − 1."""
        from ase.io.trajectory import TrajectoryReader  # noqa: PLC0415 - ase loads slowly

        with TrajectoryReader(str(self.path)) as reader:
            for t in range(start, stop):
                yield _converted(reader[t], None, None)


def open_ase_traj(path: Path) -> _TrajFrames:
    """Frames of an ASE ``.traj`` file.

    Raises
    ------
    DataError
        If ASE cannot read it.
    """
    from ase.io.trajectory import TrajectoryReader  # noqa: PLC0415 - ase loads slowly

    with TrajectoryReader(str(path)) as reader:
        n_frames = len(reader)
        if n_frames == 0:
            raise DataError("the file holds no frames", where=str(path))
        first = reader[0]
    return _TrajFrames(_info(first, n_frames, 16, ()), path)


def open_ase(path: Path) -> AseFrames:
    """Frames of any file that ASE recognises, read into memory at once.

    Raises
    ------
    DataError
        If ASE does not know the format, or the file holds no frames.
    """
    from ase.io import iread  # noqa: PLC0415 - ase loads slowly

    _refuse_machine_learning_md(path)
    kind = ase_format(path)
    place = str(path.resolve())
    images = list(iread(place, index=":", format=kind, do_not_split_by_at_sign=True))
    if not images:
        raise DataError("the file holds no frames", where=str(path))
    interval = _vasp_interval(images)
    kept = tuple(
        _converted(image, None, None if interval is None else t * interval)
        for t, image in enumerate(images)
    )
    # VASP prints eight decimals of reduced coordinates.
    return AseFrames(_info(images[0], len(kept), 8, ()), kept)


def _info(atoms: "Atoms", n_frames: int, digits: int, notes: Sequence[Note]) -> ForeignInfo:
    return ForeignInfo(
        n_frames=n_frames,
        n_atoms=len(atoms),
        species=tuple(atoms.get_chemical_symbols()),
        masses=np.asarray(atoms.get_masses(), dtype=float) * DALTON,
        precision_digits=digits,
        unit_style="ase",
        notes=tuple(notes),
    )


def _converted(atoms: "Atoms", step: int | None, time_ps: float | None) -> ForeignFrame:
    results: dict[str, Any] = {} if atoms.calc is None else dict(atoms.calc.results)
    forces = results.get("forces")
    velocities: Floats | None = None
    if atoms.has("momenta"):
        velocities = np.asarray(atoms.get_velocities()) / ASE_TIME
    cell = np.asarray(atoms.cell.array, dtype=float)
    return ForeignFrame(
        step=step,
        time_ps=time_ps,
        cell=cell if np.linalg.det(cell) != 0.0 else None,
        positions=np.asarray(atoms.positions, dtype=float),
        velocities=velocities,
        forces=None if forces is None else np.asarray(forces, dtype=float),
        species=tuple(atoms.get_chemical_symbols()),
    )


def _vasp_interval(images: "Sequence[Atoms]") -> float | None:
    """Time between the frames of a vasprun.xml of molecular dynamics, in ps."""
    parameters = getattr(images[0].calc, "parameters", {})
    if parameters.get("ibrion") != 0 or "potim" not in parameters:
        return None
    return float(parameters["potim"]) * FEMTOSECOND


def _refuse_machine_learning_md(path: Path) -> None:
    """Refuse the XML of a run with learned forces: it lists only the few ab initio steps."""
    if path.suffix.lower() != ".xml":
        return
    with path.open("rb") as file:
        head = file.read(1 << 20)
    at = head.find(b'name="ML_LMLFF"')
    if at >= 0 and b"T" in head[at : at + 60].split(b">", 1)[-1].split(b"<", 1)[0]:
        raise DataError(
            "this run used machine-learned forces",
            where=str(path),
            why="its vasprun.xml keeps as <calculation> only the steps done ab initio",
            fix="give the XDATCAR, or an extended XYZ file with positions and forces",
        )
