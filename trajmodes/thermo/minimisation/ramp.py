"""The quasiharmonic crystal at ascending temperatures, each minimum from the previous one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.potentials.minimised import MinimisedCrystal, Scheme, Statistics
from trajmodes.thermo.functions import checked_temperatures
from trajmodes.thermo.minimisation.coordinates import symmetric_coordinates
from trajmodes.thermo.minimisation.following import Path, followed, started
from trajmodes.thermo.minimisation.local import Mesh, Vibrating
from trajmodes.thermo.minimisation.minimum import (
    Conditions,
    Minimum,
    minimise,
    static_minimum,
)


class Treatment(NamedTuple):
    """Treatment of the vibrations."""

    divisions: tuple[int, int, int]
    """Divisions of a mesh through Γ over the zone."""
    scheme: Scheme = "full"
    statistics: Statistics = "quantum"


def minimised(
    potential: Vibrating,
    crystal: Crystal,
    treatment: Treatment,
    temperatures: npt.ArrayLike,
    pressures: Iterable[float] = (0.0,),
) -> MinimisedCrystal:
    """Minimise the Gibbs free energy at temperatures in K and pressures in eV/Å³.

    The series of temperatures ends if there is no minimum or a mode is imaginary; the result
    states which.

    Parameters
    ----------
    crystal
        A structure near that of the lowest static energy, with its symmetry.

    Raises
    ------
    LostMinimumError
        If the static energy has no minimum near the crystal.
    """
    kelvins = np.unique(checked_temperatures(temperatures))
    coordinates = symmetric_coordinates(crystal)
    near = potential.near(crystal)
    reference = coordinates.structure(static_minimum(near, coordinates))
    coordinates = symmetric_coordinates(reference)
    # The same pairs at all temperatures: a cutoff is then no step of the free energy.
    near = potential.near(reference)
    mesh = Mesh.through_gamma(reference, treatment.divisions)
    tables = _Tables(reference.n_sites, len(kelvins))
    ended = []
    for pressure in (listed := list(pressures)):
        x = static_minimum(near, coordinates, pressure)
        if treatment.scheme == "fixed":
            # Internal strain is constant in pressure too: that of the reference.
            x[coordinates.n_strains :] = 0.0
        search = partial(minimise, near, coordinates, mesh)
        tables.begin()
        reason = ""
        path: Path | None = None
        for k, kelvin in enumerate(kelvins.tolist()):
            conditions = Conditions(kelvin, pressure, treatment.scheme, treatment.statistics)
            if path is None:
                path, reason = started(search, x, conditions)
            else:
                path, reason = followed(search, path, conditions)
            if path is None or reason:
                break
            tables.put(k, path.last)
        ended.append(reason)
    return MinimisedCrystal(
        crystal=reference,
        scheme=treatment.scheme,
        statistics=treatment.statistics,
        mesh=treatment.divisions,
        temperatures=kelvins,
        pressures=np.array(listed, dtype=float),
        ended=tuple(ended),
        **{name: np.array(rows) for name, rows in tables.rows.items()},
    )


@dataclass(slots=True)
class _Tables:
    """Values at each pressure and temperature, nan where there is none."""

    n_sites: int
    n_kelvins: int
    rows: dict[str, list[Floats]] = field(default_factory=dict)

    def begin(self) -> None:
        """Add a pressure."""
        n = self.n_kelvins
        shapes: dict[str, tuple[int, ...]] = {
            "cells": (n, 3, 3),
            "sites": (n, self.n_sites, 3),
            "expansion": (n, 3, 3),
            **dict.fromkeys(
                ("static", "free_energy", "entropy", "compressibility", "heat_capacity_p"), (n,)
            ),
        }
        for name, shape in shapes.items():
            self.rows.setdefault(name, []).append(np.full(shape, np.nan))

    def put(self, k: int, found: Minimum) -> None:
        """Set the values at a temperature."""
        local = found.local
        by_volume = float(local.volume_slopes @ found.by_pressure)
        more = found.conditions.kelvin * float(
            found.vibrational.entropy_slopes @ found.by_kelvin
        )
        values: dict[str, float | Floats] = {
            "cells": local.crystal.cell,
            "sites": local.crystal.sites,
            "expansion": found.expansion,
            "static": local.energy,
            "free_energy": found.free_energy,
            "entropy": found.vibrational.total(2),
            "compressibility": -by_volume / local.volume,
            "heat_capacity_p": found.vibrational.total(3) + more,
        }
        for name, value in values.items():
            self.rows[name][-1][k] = value
