"""Draw the pictures in docs/images anew: ``python docs/pictures.py [NAME …]``.

Each is a figure that a command writes to the folder of its results. ``report.png`` is a
screenshot of the page that ``trajmodes report`` writes for the run of ``silicon``.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
DATA = EXAMPLES / "data"
WIDTH = 1400  # in pixels; the column of a page has 800
COMMANDS = {
    "zirconium-bands": ("demo --output {}", "bands"),
    "zirconium-renormalised": ("demo --output {}", "renormalised"),
    "silicon-lifetimes": (
        f"run {DATA}/silicon.lammpstrj.xz --cell {DATA}/silicon.POSCAR --cutoff2 5 -o {{}}",
        "lifetimes",
    ),
    "zirconium-soft-modes": (
        "series "
        + " ".join(
            f"{DATA}/zirconium_{kelvin}K.lammpstrj.xz" for kelvin in (800, 1000, 1200, 1400)
        )
        + f" --cell {DATA}/zirconium.POSCAR --cutoff2 5.5 -o {{}}",
        "soft_modes",
    ),
    "quartz-expansion": (
        f"qha {DATA}/quartz.toml --cell {DATA}/quartz.vasp --temperatures 0:450:25"
        " --scheme full,zsisa,fixed -o {}",
        "minimised",
    ),
}


def main(names: list[str]) -> None:
    """Run the command of each picture, and write its figure in the size of a page."""
    for name in names or COMMANDS:
        command, figure = COMMANDS[name]
        with TemporaryDirectory() as folder:
            words = [word.format(f"{folder}/results") for word in command.split()]
            subprocess.run([sys.executable, "-m", "trajmodes", *words], check=True)
            with Image.open(Path(folder) / "results/figures" / f"{figure}.png") as picture:
                height = round(picture.height * WIDTH / picture.width)
                page = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
                page.save(HERE / "images" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
