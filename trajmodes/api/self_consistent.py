"""Self-consistent force constants as a function."""

import os
from typing import TYPE_CHECKING, Unpack

from trajmodes.api.calls import Expression, PathLike, call_text
from trajmodes.api.force_constants import ForceConstants
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import SelfConsistentKeywords
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.thermo import self_consistent as pipeline
from trajmodes.pipeline.thermo.sampling import sampled_supercell

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


@takes("sctdep")
def self_consistent(
    start: PathLike | ForceConstants,
    calculator: "Calculator",
    temperature: float,
    **options: Unpack[SelfConsistentKeywords],
) -> ForceConstants:
    """Find force constants that are the fit to their own canonical ensemble, without a run.

    Configurations are drawn from the canonical distribution of the force constants, the
    calculator gives their forces, and new force constants are fitted to these. This is repeated
    until the force constants converge within their errors.

    Parameters
    ----------
    start
        Force constants, or a file or folder with them, or a cell file; those of a cell file
        are fitted to small displacements first.
    calculator
        A calculator of ASE.
    temperature
        In K.
    **options
        Options of `trajmodes sctdep`.

    Raises
    ------
    UsageError
        If the temperature is negative or, with classical statistics, zero; or if a cutoff is
        too large.
    DataError
        If modes are imaginary and `imaginary` does not admit them, the calculator gives no
        forces, or the configurations do not determine the force constants.
    """
    given = values_of("sctdep", {"temperature": temperature, **options})
    if isinstance(start, ForceConstants):
        supercell = sampled_supercell(start.crystal, start.supercell, given["supercell"])
        begin = pipeline.Start(start.crystal, start, supercell)
        origin: object = Expression(start.origin or repr(start))
    else:
        begin = pipeline.start_of(os.fspath(start), given["supercell"])
        origin = start
    text = call_text("trajmodes.self_consistent", origin, calculator, temperature, **options)
    found = pipeline.self_consistent(
        begin,
        pipeline.forces_by_ase(calculator),
        pipeline.settings_of(given),
        pipeline.job_for(given),
        command=text,
        log=Log(),
    )
    return ForceConstants.of_fit(found.analysis, text)
