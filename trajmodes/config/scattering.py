"""The options of dynamic structure factors, declared as those in `groups`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from trajmodes.config import kinds
from trajmodes.config.option import Group, option


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatteringOptions(Group):
    """Scattering vectors and amplitudes of S(Q, ω)."""

    title: ClassVar = "Scattering"
    commands: ClassVar = "sqw one-phonon"

    q_from: tuple[float, ...] | None = option(
        "First Q of the line, in reciprocal lattice units, such as 0,0,0.",
        kind=kinds.VECTOR,
        also=("from",),
        metavar="H,K,L",
        unset="0,0,0",
    )
    q_to: tuple[float, ...] | None = option(
        "Last Q of the line, such as 4,0,0 or 1/2,1/2,3.",
        kind=kinds.VECTOR,
        also=("to",),
        metavar="H,K,L",
        unset="none: it must be given",
    )
    q_across: tuple[float, ...] | None = option(
        "Third corner of a plane, whose other corners are the ends of the line.",
        kind=kinds.VECTOR,
        also=("across",),
        metavar="H,K,L",
        unset="a line",
    )
    axes: Literal["primitive", "conventional"] = option(
        "Reciprocal lattice units: of the primitive or of the conventional cell (of spglib).",
        default="primitive",
    )
    weights: str = option(
        "Scattering amplitudes: equal, neutron (coherent lengths), xray (form factors), or "
        'those of the species, such as "Na:3.63 Cl:9.577".',
        default="equal",
        metavar="equal|neutron|xray|LIST",
    )
    currents: bool = option(
        "Also calculate the spectra of longitudinal and transverse currents, from velocities.",
        default=False,
        commands="sqw",
    )
    widths: Literal["measured", "phi3"] | None = option(
        "Widths of the one-phonon lines: those of the spectral lines of a run, or of "
        "third-order perturbation theory; the force constants are a results folder with them.",
        unset="the resolution alone",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePhononOptions(Group):
    """One-phonon structure factor of force constants alone."""

    title: ClassVar = "One-phonon scattering"
    commands: ClassVar = "one-phonon"

    temperature: float | None = option(
        "Temperature in K of the occupations and of the Debye–Waller factor.",
        kind=kinds.NOT_NEGATIVE,
        metavar="K",
        unset="that of the force constants",
    )
    classical: bool = option(
        "Occupy modes as Boltzmann; otherwise as Bose and Einstein.", default=False
    )
    points: int | None = option(
        "Number of Q on the line, or along each edge of the plane.",
        kind=kinds.whole(2, 2001),
        metavar="N",
        unset="201; 61 in a plane",
    )
