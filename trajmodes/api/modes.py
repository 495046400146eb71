"""Modes of force constants at q points: frequencies, velocities, Grüneisen parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data import force_constants as plain
from trajmodes.data.crystal import Supercell
from trajmodes.data.modes import Modes
from trajmodes.data.quasiharmonic import ModeGruneisen
from trajmodes.errors import UsageError
from trajmodes.phonons.bands import (
    VelocityOperator,
    group_velocities,
    velocity_errors,
    velocity_operator,
)
from trajmodes.phonons.irreps import Irrep, irreps_at
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import zone_point
from trajmodes.thermo.functions import ModeFunctions, mode_functions
from trajmodes.thermo.quasiharmonic.mode_gruneisen import mode_gruneisen
from trajmodes.units import THZ


@dataclass(frozen=True, eq=False, repr=False)
class ModeProperties(plain.ForceConstants):
    """Force constants with the methods that take q points alone.

    q points are reduced coordinates without 2π, or names of special points such as ``X``.
    """

    supercell: Supercell | None = None
    """Supercell that they were fitted on, or that their file describes; None if unknown."""
    origin: str = ""
    """The call that made them."""

    def frequencies(
        self, q: str | npt.ArrayLike, *, direction: npt.ArrayLike | None = None
    ) -> Floats:
        """Frequencies ω/2π in THz, ascending; negative where imaginary.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.
        direction
            (3,) Cartesian direction from which a Γ among them is approached; it matters with
            Born charges. None for no macroscopic field at Γ, as in a periodic simulation.

        Returns
        -------
        (m,) for one q, (q, m) for a list.
        """
        points = self._points(q)
        listed = points.reshape(-1, 3)
        omega, _ = frequencies_at(self, listed, _towards(direction, listed))
        found: Floats = omega.reshape(*points.shape[:-1], -1) / THZ
        return found

    def modes(self, q: str | npt.ArrayLike, *, direction: npt.ArrayLike | None = None) -> Modes:
        """Frequencies in rad/ps with standard errors, and polarisation vectors, at q points.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.
        direction
            As for `frequencies`.

        Returns
        -------
        ``omega`` (q, m), ``omega_sem`` (q, m) and ``vectors`` (q, m, s, 3) are the arrays.
        """
        listed = self._points(q).reshape(-1, 3)
        return modes_at(self, listed, directions=_towards(direction, listed))

    def group_velocities(self, q: str | npt.ArrayLike) -> Floats:
        """Cartesian group velocities ∂ω/∂k in Å/ps; one for each of degenerate branches.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.

        Returns
        -------
        (m, 3) for one q, (q, m, 3) for a list; nan for uniform translations.
        """
        points = self._points(q)
        found = group_velocities(self, points.reshape(-1, 3)).velocity
        return found.reshape(*points.shape[:-1], *found.shape[1:])

    def group_velocity_errors(self, q: str | npt.ArrayLike) -> Floats:
        """Return standard errors of `group_velocities`, from the blocks of the fit.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.

        Returns
        -------
        (m, 3) for one q, (q, m, 3) for a list; nan for uniform translations.

        Raises
        ------
        DataError
            If the force constants have no replicates.
        """
        points = self._points(q)
        found = velocity_errors(self, points.reshape(-1, 3))
        return found.reshape(*points.shape[:-1], *found.shape[1:])

    def velocity_operator(self, q: str | npt.ArrayLike) -> VelocityOperator:
        """Velocity operator in Å/ps between all branches of each q point.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.

        Returns
        -------
        ``elements`` are (q, m, m, 3); nan where a mode is a uniform translation or imaginary.
        """
        return velocity_operator(self, self._points(q).reshape(-1, 3))

    def irreps(self, q: str | npt.ArrayLike = "G") -> tuple[Irrep, ...]:
        """Irreducible representations of the modes at a q point, with Mulliken labels.

        Labels are those of the little co-group, from phonopy's tables. There are none on the
        zone boundary of crystals with glide planes or screw axes, nor for accidental
        degeneracies.

        Parameters
        ----------
        q
            The name of a special point, or (3,) reduced coordinates.
        """
        return irreps_at(self, self._points(q))

    def mode_functions(
        self, q: str | npt.ArrayLike, temperatures: npt.ArrayLike
    ) -> ModeFunctions:
        """Free energy, energy, entropy and heat capacity of each mode at q points.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.
        temperatures
            (t,) in K.

        Returns
        -------
        Arrays (t, q, m) in eV and eV/K with Bose–Einstein occupation; nan for imaginary modes
        and the acoustic modes at Γ.

        Raises
        ------
        UsageError
            If a temperature is below 0 K.
        """
        return mode_functions(self.modes(q), temperatures)

    def mode_gruneisen(
        self,
        others: plain.ForceConstants | Sequence[plain.ForceConstants],
        q: str | npt.ArrayLike,
        *,
        direction: npt.ArrayLike | None = None,
    ) -> ModeGruneisen:
        """Grüneisen parameters −(V/ω) ∂ω/∂V of modes from other volumes of the same crystal.

        They are those at the volume of these force constants. With one other volume the error
        of the difference quotient is of first order in the change of volume; with two, one on
        either side, it is of second order. Standard errors follow from the blocks of all fits.

        Parameters
        ----------
        others
            Force constants at another volume, or at several.
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.
        direction
            As for `frequencies`.

        Returns
        -------
        ``gamma`` and ``gamma_sem`` are (q, m); nan where ω² is not positive.

        Raises
        ------
        DataError
            If the crystals are different or layers, or all have one volume.
        """
        listed = [others] if isinstance(others, plain.ForceConstants) else list(others)
        points = self._points(q).reshape(-1, 3)
        return mode_gruneisen([self, *listed], 0, points, _towards(direction, points))

    def _points(self, q: str | npt.ArrayLike) -> Floats:
        points: Floats = (
            zone_point(self.crystal, q) if isinstance(q, str) else np.asarray(q, dtype=float)
        )
        if points.ndim not in (1, 2) or points.shape[-1] != 3:
            raise UsageError(
                f"q has shape {points.shape} where (3,) or (q, 3) is expected",
                fix="give reduced coordinates, or the name of a special point",
            )
        return points


def _towards(direction: npt.ArrayLike | None, qpoints: Floats) -> Floats | None:
    """Give every q (q, 3) the same direction (q, 3)."""
    if direction is None:
        return None
    one = np.asarray(direction, dtype=float)
    if one.shape != (3,):
        raise UsageError(f"a direction has three components, got shape {one.shape}")
    return np.broadcast_to(one, qpoints.shape)
