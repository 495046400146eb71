"""Files of CP2K after its manual: positions in Å, velocities and forces in atomic units."""

import numpy as np
from ase import units
from scipy import constants as codata

BOHR = codata.value("Bohr radius") / codata.angstrom
VELOCITY = codata.value("atomic unit of velocity") * codata.pico / codata.angstrom
"""In Å/ps."""
FORCE = codata.value("Hartree energy in eV") / BOHR
ASE_VELOCITY = 1e3 * units.fs
"""One Å/ps in ASE's unit of velocity, inverse."""


def velocities_of(image):
    """Velocities in Å/ps."""
    return image.get_velocities() * ASE_VELOCITY


def xyz(path, images, rows, *, every):
    """Write frames, ``rows`` of each image."""
    lines = []
    for t, image in enumerate(images):
        lines.append(f"{len(image):8d}")
        lines.append(
            f" i = {every * t:8d}, time = {0.5 * every * t:12.3f}, E = {-17.1646447718:20.10f}"
        )
        for name, row in zip(image.symbols, rows(image), strict=True):
            lines.append(f"{name:>3}" + "".join(f"{x:20.10f}" for x in row))
    path.write_text("\n".join(lines) + "\n")
    return path


def cells(path, images, *, every):
    """Write the file of cells."""
    head = (
        "#   Step   Time [fs]       Ax [Angstrom]       Ay [Angstrom]       Volume [Angstrom^3]"
    )
    rows = [
        f"{every * t:8d}{0.5 * every * t:15.3f}"
        + "".join(f"{x:20.10f}" for x in image.cell.array.ravel())
        + f"{image.get_volume():25.10f}"
        for t, image in enumerate(images)
    ]
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def cp2k(path, images, *, every=2):
    """Write the four files of a run; return that of the positions, ``si-pos-1.xyz``."""
    folder = path.parent
    xyz(folder / "si-vel-1.xyz", images, lambda a: velocities_of(a) / VELOCITY, every=every)
    xyz(folder / "si-frc-1.xyz", images, lambda a: a.get_forces() / FORCE, every=every)
    cells(folder / "si-1.cell", images, every=every)
    return xyz(path, images, lambda a: np.array(a.positions), every=every)
