"""Energies of modes from displacements, and forces where the run has them."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.energies import Anharmonicity


@dataclass(frozen=True, slots=True)
class PotentialEnergies:
    """Mean potential energies of each set (g) of symmetry-equivalent modes."""

    members: Ints
    """(g,) number of real degrees of freedom pooled: star, ±q and degenerate branches."""
    potential: Floats
    """(g,), unit: eV. ½ω²⟨|Q|²⟩; nan for an imaginary mode."""
    potential_sem: Floats
    """(g,), unit: eV."""
    virial: Floats | None
    """(g,), unit: eV. −½⟨Re Q*𝓕⟩; None where the run has no forces."""
    virial_sem: Floats | None
    """(g,), unit: eV."""
    anharmonicity: Floats | None
    """(g,) W/U − 1; None where the run has no forces, nan for an imaginary mode."""
    anharmonicity_sem: Floats | None
    """(g,) standard error, with the correlation of U and W."""
    temperature: float | None
    """In K, as given; None where it is not."""
    omega_displacement: Floats | None
    """(g,), unit: rad/ps. From ω² = k_BT/⟨|Q|²⟩; None where the temperature is not given."""
    omega_displacement_sem: Floats | None
    """(g,), unit: rad/ps."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, members="g")
        for name in ("potential", "virial", "anharmonicity", "omega_displacement"):
            freeze(self, sizes, float, **{name: "g", f"{name}_sem": "g"})


@dataclass(frozen=True, slots=True)
class StaticProjection:
    """Results of the projection of a run without velocities, and of no near frames."""

    energies: PotentialEnergies
    anharmonicity: Anharmonicity | None
    """σ about the force constants of the modes; None where the run has no forces."""
