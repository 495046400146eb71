"""Files of cp.x of Quantum ESPRESSO, in atomic units; columns of .cel are the vectors."""

from program_files.cp2k import BOHR, FORCE, VELOCITY, velocities_of


def block(step, time, rows):
    lines = "".join("".join(f"{x:25.14E}" for x in row) + "\n" for row in rows)
    return f"{step:10d}{time:20.8f}\n{lines}"


def espresso(path, images, *, every=10, interval_ps=1e-3):
    """Write the four files of a run; return that of the positions, ``path``."""
    rows = {
        ".pos": lambda image: image.positions / BOHR,
        ".vel": lambda image: velocities_of(image) / VELOCITY,
        ".for": lambda image: image.get_forces() / FORCE,
        ".cel": lambda image: image.cell.array.T / BOHR,
    }
    for suffix, of in rows.items():
        blocks = [block(every * t, interval_ps * t, of(one)) for t, one in enumerate(images)]
        path.with_suffix(suffix).write_text("".join(blocks))
    return path
