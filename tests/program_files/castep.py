"""CASTEP's .md file, by its documentation: four lines of header, then steps in atomic units."""

from program_files.cp2k import BOHR, FORCE, VELOCITY, velocities_of

ATOMIC_TIME_PS = BOHR / VELOCITY


def real(x):
    """One number in Fortran's format es18.8e3."""
    number, exponent = f"{x:.8E}".split("E")
    return f"{number}E{int(exponent):+04d}".rjust(18)


def castep(path, images, *, interval_ps=1e-3):
    """Write a run."""
    lines = [" BEGIN header", "  ", " a run   ", " END header", " "]
    for t, image in enumerate(images):
        lines.append(f"            {real(t * interval_ps / ATOMIC_TIME_PS)}")
        lines.append("".join(f"   {real(x)}" for x in (-31.8, -31.8, 0.01)) + "  <-- E")
        lines.append(f"            {real(9.27e-4)}".ljust(72) + "  <-- T")
        cell = image.cell.array / BOHR
        lines += [" " * 9 + "".join(f"   {real(x)}" for x in row) + "  <-- h" for row in cell]
        arrays = {
            "R": image.positions / BOHR,
            "V": velocities_of(image) / VELOCITY,
            "F": image.get_forces() / FORCE,
        }
        names = list(image.symbols)
        numbers = [names[: k + 1].count(name) for k, name in enumerate(names)]
        for tag, array in arrays.items():
            for name, number, row in zip(names, numbers, array, strict=True):
                values = "".join(f"   {real(x)}" for x in row)
                lines.append(f" {name:2} {number:10d}{values}  <-- {tag}")
        lines.append("  ")
    path.write_text("\n".join(lines) + "\n")
    return path
