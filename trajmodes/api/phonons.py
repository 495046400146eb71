"""What force constants alone determine: frequencies, bands, thermodynamics, elasticity."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.api.calls import call_text
from trajmodes.arrays import Floats
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import (
    ElasticKeywords,
    OnePhononKeywords,
    SpectralKeywords,
    ThermoKeywords,
)
from trajmodes.data import force_constants as plain
from trajmodes.data.bands import Bands
from trajmodes.data.charges import Splitting
from trajmodes.data.crystal import Supercell
from trajmodes.data.energies import FreeEnergy
from trajmodes.data.modes import Modes
from trajmodes.errors import UsageError
from trajmodes.phonons.bands import (
    VelocityOperator,
    group_velocities,
    velocity_errors,
    velocity_operator,
)
from trajmodes.phonons.irreps import Irrep, irreps_at
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import band_path, zone_point
from trajmodes.pipeline.derived import PATH_SPACING, connected_bands
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.scattering.one_phonon import one_phonon_job
from trajmodes.pipeline.scattering.spectral_function import spectral_function_job
from trajmodes.pipeline.thermo.free_energy import free_energy_of
from trajmodes.pipeline.thermo.properties import elastic_job, mesh_of, thermo_job
from trajmodes.results.dataset import bands_dataset
from trajmodes.thermo.bending import Bending, bending
from trajmodes.thermo.dielectric import lo_to_splitting, static_dielectric
from trajmodes.thermo.displacements import DebyeWaller, debye_waller_factors
from trajmodes.thermo.elasticity import SoundVelocities, sound_velocities
from trajmodes.thermo.functions import ModeFunctions, mode_functions
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import THZ

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class PhononProperties(plain.ForceConstants):
    """Force constants with the methods that need nothing else but their supercell.

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
            Born charges. None: no macroscopic field at Γ, as in a periodic simulation.

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
        """
        listed = self._points(q).reshape(-1, 3)
        return modes_at(self, listed, directions=_towards(direction, listed))

    def lo_to(self, direction: npt.ArrayLike) -> Splitting:
        """Optic modes at Γ in rad/ps with and without the field of a Cartesian direction.

        Raises
        ------
        DataError
            If the force constants have no Born charges.
        """
        return lo_to_splitting(self, direction)

    def static_dielectric(self) -> Floats:
        """Compute ε0 (3, 3) of electrons and lattice.

        Raises
        ------
        DataError
            If there are no Born charges, or an optic mode with charge is not stable.
        """
        return static_dielectric(self)

    def bands(self, path: str = "auto") -> Bands:
        """Frequencies in rad/ps along a path through the Brillouin zone.

        Parameters
        ----------
        path
            ``auto`` for the path of Hinuma et al. (2017), or points such as ``G X W | G L``.
        """
        return connected_bands(self, band_path(self.crystal, PATH_SPACING, path))

    def group_velocities(self, q: str | npt.ArrayLike) -> Floats:
        """Group velocities ∂ω/∂k in Å/ps, Cartesian; those of degenerate branches are split.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.

        Returns
        -------
        (m, 3) for one q, (q, m, 3) for a list; nan for uniform shifts.
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
        (m, 3) for one q, (q, m, 3) for a list; nan for uniform shifts.

        Raises
        ------
        DataError
            If the force constants have no replicates.
        """
        points = self._points(q)
        found = velocity_errors(self, points.reshape(-1, 3))
        return found.reshape(*points.shape[:-1], *found.shape[1:])

    def debye_waller(
        self,
        wave_vectors: npt.ArrayLike,
        temperature: float,
        *,
        quantum: bool = True,
        mesh: int | Literal["auto"] = "auto",
    ) -> DebyeWaller:
        """Debye–Waller factors exp(−½ k·⟨uu⟩·k) of the sites, with their errors.

        Parameters
        ----------
        wave_vectors
            k, (3,) or (k, 3), Cartesian, in 1/Å with 2π.
        temperature
            In K.
        quantum
            Whether modes are occupied as Bose and Einstein, or as in molecular dynamics.
        mesh
            Points along each reciprocal lattice vector of the sum over the zone.
        """
        divisions = mesh_of(self, values_of("thermo", {"mesh": mesh})["mesh"])
        found = thermodynamics(self, divisions, [temperature]).displacements
        return debye_waller_factors(found, wave_vectors, quantum=quantum)

    def velocity_operator(self, q: str | npt.ArrayLike) -> VelocityOperator:
        """Velocity operator in Å/ps between all branches of each q point.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.
        """
        return velocity_operator(self, self._points(q).reshape(-1, 3))

    def irreps(self, q: str | npt.ArrayLike = "G") -> tuple[Irrep, ...]:
        """Irreducible representations of the modes at a q point, with Mulliken labels.

        Labels are those of the little co-group, from phonopy's tables. There are none on the
        zone boundary of crystals with glide planes or screw axes, and for accidental
        degeneracies.

        Parameters
        ----------
        q
            The name of a special point, or (3,) reduced coordinates.
        """
        return irreps_at(self, self._points(q))

    def plot(self, ax: "Axes | None" = None, *, path: str = "auto") -> "Axes":
        """Draw the bands along a path, with ±2 standard errors where these are known."""
        from trajmodes.report.figures.spectral_map import bands_panel  # noqa: PLC0415 - matplotlib
        from trajmodes.report.figures.style import new_axes  # noqa: PLC0415 - matplotlib

        dataset = bands_dataset(self.bands(path))
        with new_axes(ax) as axes:
            bands_panel(axes, dataset)
        return axes

    @takes("thermo")
    def thermodynamics(self, **options: Unpack[ThermoKeywords]) -> xr.Dataset:
        """Thermodynamic functions, density of states, ⟨uu⟩ and Debye temperatures.

        The variables are those of the results of `trajmodes thermo`, which are written if a
        folder is named.

        Parameters
        ----------
        **options
            Options of `trajmodes thermo`.

        Raises
        ------
        DataError
            If no mode of the mesh has a positive ω².
        """
        values = values_of("thermo", options)
        origin = call_text(f"{self.origin}.thermodynamics", **options)
        return thermo_job(self, values, command=origin)[0]

    @takes("one-phonon")
    def one_phonon(self, **options: Unpack[OnePhononKeywords]) -> xr.Dataset:
        """One-phonon coherent structure factor S(Q, ω), for neutrons or X-rays.

        The variables are those of the results of `trajmodes one-phonon`, which are written if a
        folder is named.

        Parameters
        ----------
        **options
            Options of `trajmodes one-phonon`.
        """
        values = values_of("one-phonon", options)
        origin = call_text(f"{self.origin}.one_phonon", **options)
        return one_phonon_job(self, values, command=origin)[0]

    def mode_functions(
        self, q: str | npt.ArrayLike, temperatures: npt.ArrayLike
    ) -> ModeFunctions:
        """Free energy, energy, entropy and heat capacity of each mode at q points.

        Parameters
        ----------
        q
            The name of a special point, (3,) or (q, 3) reduced coordinates.
        temperatures
            In K.
        """
        return mode_functions(self.modes(q), temperatures)

    @takes("spectral-function")
    def spectral_functions(self, **options: Unpack[SpectralKeywords]) -> xr.Dataset:
        """Self-energies and spectral functions of modes from third-order force constants.

        As `trajmodes spectral-function` writes them, if a folder is named.

        Parameters
        ----------
        **options
            Options of `trajmodes spectral-function`.

        Raises
        ------
        UsageError
            If phono3py is not installed, or a q is not a point of the mesh.
        DataError
            If there is no third order, or no temperature or supercell is known.
        """
        values = values_of("spectral-function", options)
        origin = call_text(f"{self.origin}.spectral_functions", **options)
        return spectral_function_job(self, values, command=origin, supercell=self.supercell)[0]

    @takes("elastic")
    def elasticity(self, **options: Unpack[ElasticKeywords]) -> xr.Dataset:
        """Elastic constants, their averages, and velocities of sound in three planes.

        The variables are those of the results of `trajmodes elastic`, which are written if a
        folder is named.

        Parameters
        ----------
        **options
            Options of `trajmodes elastic`.

        Raises
        ------
        DataError
            If a strain has no restoring force.
        """
        values = values_of("elastic", options)
        origin = call_text(f"{self.origin}.elasticity", **options)
        return elastic_job(self, values, command=origin)[0]

    def free_energy(
        self,
        run: LoadedRun,
        energies: str | os.PathLike[str] | npt.ArrayLike | None = None,
        *,
        mesh: int | Literal["auto"] = "auto",
    ) -> FreeEnergy:
        """Free energy of a run: that of the force constants, and the cumulants beyond it.

        Parameters
        ----------
        run
            The run that was fitted, as `trajmodes.open` returns it.
        energies
            Potential energies: a file, see `trajmodes free-energy`, or (t,) numbers in eV, nan
            where unknown. By default those in the trajectory.
        mesh
            Points of the mesh of the harmonic part along each direction.

        Raises
        ------
        DataError
            If the energies are not those of the frames, or a mode is imaginary.
        """
        return free_energy_of([run], self, energies, mesh).found

    def sound_velocities(self, directions: npt.ArrayLike) -> SoundVelocities:
        """Velocities of sound in Å/ps along Cartesian directions (…, 3), with errors.

        Raises
        ------
        UsageError
            If a direction is zero.
        """
        return sound_velocities(self, directions)

    def bending_rigidity(self, direction: npt.ArrayLike) -> Bending:
        """Bending rigidity of a layer in eV, and its tension, from flexural waves.

        Parameters
        ----------
        direction
            (3,) Cartesian direction of the waves, in the plane of the layer.

        Raises
        ------
        DataError
            If the crystal is no layer.
        UsageError
            If the direction is not in the plane.
        """
        return bending(self, direction)

    def _points(self, q: str | npt.ArrayLike) -> Floats:
        points: Floats = (
            zone_point(self.crystal, q) if isinstance(q, str) else np.asarray(q, dtype=float)
        )
        if points.ndim not in (1, 2) or points.shape[-1] != 3:
            raise UsageError(
                f"q has shape {points.shape} where (3,) or (q, 3) is due",
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
