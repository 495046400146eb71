"""Properties of force constants alone: frequencies, bands, thermodynamics, elasticity."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from trajmodes.api.calls import call_text
from trajmodes.api.modes import ModeProperties
from trajmodes.arrays import Floats
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import (
    ElasticKeywords,
    OnePhononKeywords,
    SpectralKeywords,
    ThermoKeywords,
)
from trajmodes.data.bands import Bands
from trajmodes.data.charges import Splitting
from trajmodes.data.energies import FreeEnergy
from trajmodes.data.thermo import Bending
from trajmodes.phonons.qpoints import band_path
from trajmodes.pipeline.derived import PATH_SPACING, connected_bands
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.scattering.one_phonon import one_phonon_job
from trajmodes.pipeline.scattering.spectral_function import spectral_function_job
from trajmodes.pipeline.thermo.free_energy import free_energy_of
from trajmodes.pipeline.thermo.properties import elastic_job, mesh_of, thermo_job
from trajmodes.results.dataset import bands_dataset
from trajmodes.thermo.bending import bending
from trajmodes.thermo.dielectric import lo_to_splitting, static_dielectric
from trajmodes.thermo.displacements import DebyeWaller, debye_waller_factors
from trajmodes.thermo.elasticity import SoundVelocities, sound_velocities
from trajmodes.thermo.thermodynamics import thermodynamics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class PhononProperties(ModeProperties):
    """Force constants with the methods that need no run; some need their supercell.

    q points are reduced coordinates without 2π, or names of special points such as ``X``.
    """

    def lo_to(self, direction: npt.ArrayLike) -> Splitting:
        """Optic modes at Γ in rad/ps with and without the field of a Cartesian direction.

        Parameters
        ----------
        direction
            (3,) Cartesian direction from which q approaches Γ.

        Raises
        ------
        DataError
            If the force constants have no Born charges.
        """
        return lo_to_splitting(self, direction)

    def static_dielectric(self) -> Floats:
        """Compute the static dielectric tensor ε0 (3, 3), of electrons and lattice.

        Raises
        ------
        DataError
            If there are no Born charges, or a polar optic mode is unstable.
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
            Whether modes have Bose–Einstein occupation; otherwise classical, as in molecular
            dynamics.
        mesh
            Number of points along each reciprocal lattice vector in the sum over the zone.
        """
        divisions = mesh_of(self, values_of("thermo", {"mesh": mesh})["mesh"])
        found = thermodynamics(self, divisions, [temperature]).displacements
        return debye_waller_factors(found, wave_vectors, quantum=quantum)

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

    @takes("spectral-function")
    def spectral_functions(self, **options: Unpack[SpectralKeywords]) -> xr.Dataset:
        """Self-energies and spectral functions of modes from third-order force constants.

        The variables are those of the results of `trajmodes spectral-function`, which are
        written if a folder is named.

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
            If the crystal has no restoring force against a strain.
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
            Number of points along each reciprocal lattice vector in the harmonic part.

        Raises
        ------
        DataError
            If the energies are not those of the frames, or a mode is imaginary.
        """
        return free_energy_of([run], self, energies, mesh).found

    def sound_velocities(self, directions: npt.ArrayLike) -> SoundVelocities:
        """Velocities of sound in Å/ps along Cartesian directions (…, 3), with errors.

        Returns
        -------
        ``velocity`` (…, 3), ascending, negative for unstable waves; ``polarisation`` (…, 3, 3).

        Raises
        ------
        UsageError
            If a direction is zero.
        """
        return sound_velocities(self, directions)

    def bending_rigidity(self, directions: npt.ArrayLike) -> Bending:
        """Bending rigidity of a layer in eV, and its tension, from flexural waves.

        Parameters
        ----------
        directions
            (k, 3) or (3,) Cartesian directions of the waves, in the plane of the layer.

        Raises
        ------
        DataError
            If the crystal is not a layer.
        UsageError
            If a direction is not in the plane.
        """
        return bending(self, np.atleast_2d(directions))
