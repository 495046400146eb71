"""The options that several commands share, each with the name it has in a job file."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = [
    "constants_option",
    "fit_options",
    "input_options",
    "molecule_options",
    "output_option",
    "path_option",
    "perturbation_option",
    "project_options",
    "run_options",
    "temperature_option",
    "workers_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])

UNITS = ("metal", "real", "si", "lj", "electron", "micro", "nano", "cgs")
XYZ_UNITS = ("ase", "gpumd", "quip")


def parse_frames(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[int, int | None] | None:
    """START:STOP as two numbers; either may be left out."""
    if text is None:
        return None
    fields = re.fullmatch(r"(\d*):(\d*)", text.strip())
    if fields is None:
        raise click.BadParameter(f'"{text}" is not START:STOP, such as 2000: or :5000')
    start, stop = fields.groups()
    return int(start or 0), int(stop) if stop else None


def parse_numbers(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[float, ...] | None:
    """Numbers between commas or blanks."""
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise click.BadParameter(f'"{text}" is not a list of numbers') from None


def parse_box(
    context: click.Context, option: click.Parameter, text: str | None
) -> tuple[float, ...] | str | None:
    """Make numbers of text, but leave the word average."""
    return text if text == "average" else parse_numbers(context, option, text)


def parse_cutoff(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> float | str | None:
    """Make a length of text that is a number, and leave any other as it is."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def parse_mesh(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> int | str | None:
    """Make a whole number of text, but leave the word auto."""
    if text is None or text == "auto":
        return text
    if not text.isdecimal() or int(text) == 0:
        raise click.BadParameter(f'"{text}" is no number of points, such as 16')
    return int(text)


def _all(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


frame_options = _all(
    click.option(
        "--timestep-fs",
        type=float,
        metavar="FS",
        help="Time step of the simulation; time between frames where the file numbers no "
        "steps.",
    ),
    click.option(
        "--units",
        type=click.Choice([*UNITS, *XYZ_UNITS]),
        help="Units of the file, if not named.",
    ),
    click.option(
        "--lj",
        metavar="EV,Å,DA",
        callback=parse_numbers,
        help="What ε, σ and the mass are, for --units lj.",
    ),
    click.option(
        "--box",
        metavar="A,B,C|average",
        callback=parse_box,
        help="Box of a file that holds none, in Å: three lengths, or nine numbers; or: "
        "average, for a run at constant pressure.",
    ),
    click.option(
        "--trust-order",
        is_flag=True,
        default=None,
        help="Take atoms without ids in the order of the file.",
    ),
    click.option(
        "--species",
        metavar="SYMBOLS",
        help="Chemical symbols of atom types 1, 2, …, such as Ga,N.",
        callback=lambda _c, _o, text: text.replace(",", " ").split() if text else None,
    ),
    click.option(
        "--frames",
        metavar="START:STOP",
        callback=parse_frames,
        help="Frames to use, such as 2000: to leave out the first two thousand.",
    ),
    click.option("--strict", is_flag=True, default=None, help="A cut last frame is an error."),
    click.option(
        "--allow-partial",
        is_flag=True,
        default=None,
        help="Use the frames before the damage in a compressed file.",
    ),
)

input_options = _all(
    click.option(
        "--cell",
        metavar="FILE",
        help="Crystal: POSCAR, CIF or anything ASE reads. Without it the cell is found "
        "from the average structure.",
    ),
    click.option(
        "--supercell",
        metavar="FILE",
        help="Supercell before it was displaced, for displacements alone (DFSET).",
    ),
    frame_options,
)

temperature_option = click.option(
    "--temperature",
    type=float,
    metavar="K",
    help="Temperature of the constants, and of quantum means; by default the kinetic one.",
)

perturbation_option = click.option(
    "--perturbation",
    type=click.IntRange(1),
    metavar="N",
    help="Linewidths of perturbation theory too, on a mesh of N × N × N (needs phono3py).",
)

fit_options = _all(
    click.option(
        "--cutoff",
        "--cutoff2",
        "cutoff",
        metavar="Å|supercell",
        callback=parse_cutoff,
        help="Range of the pair constants; by default the largest that the supercell admits. "
        'Pairs of species may have their own: "8 Si-O:5".',
    ),
    click.option(
        "--cutoff3",
        metavar="Å",
        callback=parse_cutoff,
        help="Range of the triplet constants; without it there are none.",
    ),
    click.option(
        "--cutoff4",
        metavar="Å",
        callback=parse_cutoff,
        help="Range of the quartet constants; without it there are none.",
    ),
    click.option(
        "--scheme",
        type=click.Choice(["sequential", "joint"]),
        help="Fit each order to what the lower ones leave, or all at once [sequential].",
    ),
    click.option(
        "--constraint",
        "constraints",
        multiple=True,
        type=click.Choice(["born-huang", "huang", "no-hermitian"]),
        help="Impose invariance under rotation, or no initial stress; or leave out that D(q) "
        "is Hermitian. May be given again.",
    ),
    click.option(
        "--method",
        type=click.Choice(["least-squares", "ridge", "lasso", "adaptive-lasso"]),
        help="How to fit [least-squares]; the others are for few frames.",
    ),
    click.option(
        "--strength",
        type=float,
        metavar="X",
        help="Of the regularisation; by default what predicts left-out blocks best.",
    ),
    click.option(
        "--minimum-norm",
        is_flag=True,
        default=None,
        help="Where frames leave constants undetermined, take the smallest; else an error.",
    ),
    click.option(
        "--reference",
        type=click.Choice(["auto", "average", "given"]),
        help="Count displacements from the average structure, or from the one that snapshots "
        "were displaced from [auto: the latter where it is known].",
    ),
    click.option(
        "--errors",
        type=click.Choice(["jackknife", "sandwich"]),
        help="How error bars are made [jackknife].",
    ),
    click.option(
        "--require-stable",
        is_flag=True,
        default=None,
        help="Fail where a mode is, or may be, imaginary.",
    ),
    perturbation_option,
    temperature_option,
)

workers_option = click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Threads; by default all cores."
)

line_options = _all(
    click.option(
        "--resolution-thz",
        type=float,
        metavar="THZ",
        help="Resolution of the spectra; by default several at once, and each line takes the "
        "one that suits it.",
    ),
    click.option(
        "--line",
        type=click.Choice(["oscillator", "fano", "two"]),
        help="Shape of the lines: a damped oscillator, one with an asymmetry, or two that "
        "overlap [oscillator].",
    ),
    click.option(
        "--baseline", is_flag=True, default=None, help="Fit a constant below each line too."
    ),
)

project_options = _all(
    line_options,
    click.option(
        "--maximum-entropy",
        type=click.IntRange(1),
        metavar="POLES",
        help="Maximum-entropy spectra too (Burg), with so many poles.",
    ),
    click.option(
        "--energy-covariance",
        is_flag=True,
        default=None,
        help="Keep how the energies of all pairs of modes fluctuate together.",
    ),
    click.option(
        "--spill",
        multiple=True,
        metavar='"Q:BRANCHES"',
        help='Write Q(t) and its velocity for these modes, such as "1/2 1/2 0:4", "X:4-6" or '
        '"0 0 0:all". May be given again.',
    ),
    click.option(
        "--conductivity",
        is_flag=False,
        flag_value="auto",
        metavar="[N]",
        callback=parse_mesh,
        help="Thermal conductivity from the lifetimes, on a mesh of at least N × N × N that "
        "holds the q points of the supercell [fine enough].",
    ),
    workers_option,
)

constants_option = click.option(
    "--constants",
    metavar="FILE|FOLDER",
    help="Force constants: a results folder, FORCE_CONSTANTS, fc2.hdf5, or those of TDEP.",
)

path_option = click.option(
    "--path",
    metavar="POINTS",
    help='Path through the zone: auto, or points such as "G X W | 0,0,0 1/2,1/2,1/2" [auto].',
)

run_options = _all(fit_options, project_options)

molecule_options = _all(frame_options, line_options, workers_option)


def output_option(default: str) -> Callable[[Command], Command]:
    """Option for the results folder.

    Parameters
    ----------
    default
        Folder used when the option is not given.
    """
    return click.option(
        "-o", "--output", metavar="FOLDER", help=f"Folder of the results [{default}]."
    )
