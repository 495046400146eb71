"""Force constants of potentials."""

import os
from typing import Unpack

from trajmodes.api.calls import call_text
from trajmodes.api.force_constants import ForceConstants
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import PotentialKeywords
from trajmodes.pipeline.potentials.analytic import of_potential, write_potential


@takes("potential")
def potential(
    *files: str | os.PathLike[str], **options: Unpack[PotentialKeywords]
) -> ForceConstants:
    """Calculate the force constants of a potential.

    They are second derivatives with respect to the positions of all atoms of the infinite
    crystal, not of a supercell; those of a shell model are obtained from a mesh of q points.
    Energy, forces, stress and the parts of the force constants are those of
    `trajmodes.potentials.eam.files.read_eam`; elastic, piezoelectric and dielectric tensors are
    the ``response`` of `trajmodes.potentials.shell_model.files.read_shell_model`.

    Parameters
    ----------
    *files
        The potential, as LAMMPS reads it: ``funcfl``, ``setfl`` or Finnis–Sinclair; a
        Stillinger–Weber file (.sw); a shell model (.toml, or .lib of GULP); commands of
        LAMMPS. Several ``funcfl`` files, one for each element, are the potential of an alloy.
    **options
        Options of `trajmodes potential`.

    Raises
    ------
    UsageError
        If no crystal is given, or the potential does not describe its species.
    DataError
        If the file is not a potential.
    """
    origin = call_text("trajmodes.potential", *files, **options)
    values = {**values_of("potential", options), "compare": ()}
    found = of_potential([os.fspath(one) for one in files], values, origin)
    write_potential(found, values["output"])
    results = found.results
    return ForceConstants.of(results.constants, supercell=results.supercell, origin=origin)
