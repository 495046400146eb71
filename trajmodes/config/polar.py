"""The options of polar crystals, declared as those in `groups`."""

from dataclasses import dataclass
from typing import ClassVar

from trajmodes.config import kinds
from trajmodes.config.option import Group, option
from trajmodes.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class PolarOptions(Group):
    """Born charges and dielectric tensor, which give the dipole–dipole forces."""

    title: ClassVar = "Polar crystals"
    commands: ClassVar = "run live fit project sed sqw sctdep"

    born: str | None = option(
        "File with Born charges and dielectric tensor: BORN or a yaml file of phonopy, "
        "vasprun.xml, OUTCAR, infile.lotosplitting, or force_constants.h5 of trajmodes "
        "potential. Their dipole–dipole forces are subtracted from the forces before a fit, "
        "and added to the phonons.",
        metavar="FILE",
        unset="that beside data of phonopy and TDEP; otherwise none",
        is_path=True,
    )
    born_charges: tuple[str, ...] = option(
        'Born charge of a species in e, as one, three or nine numbers, such as "Na 1.1". To '
        "be repeated for each species.",
        default=(),
        metavar='"SYMBOL Z"',
    )
    dielectric: tuple[float, ...] | None = option(
        "Dielectric tensor ε∞ (clamped nuclei) that belongs to these charges: one, three or "
        "nine numbers.",
        kind=kinds.DIELECTRIC,
        metavar="E",
        keyword_type='"npt.ArrayLike | None"',
    )
    no_charges: bool = option(
        "Leave out the Born charges beside the data.", default=False, commands="run live fit"
    )

    def __post_init__(self) -> None:
        Group.__post_init__(self)
        if bool(self.born_charges) != (self.dielectric is not None):
            missing = "dielectric" if self.born_charges else "born_charges"
            raise UsageError(
                "Born charges and the dielectric tensor are needed together",
                fix=f"give {missing} too",
            )
        if (self.born is not None) + bool(self.born_charges) + self.no_charges > 1:
            raise UsageError(
                "Born charges are given in several ways",
                fix="give one of born, born_charges with dielectric, and no_charges",
            )

    @property
    def are_given(self) -> bool:
        """Whether charges are given, by a file or as numbers."""
        return self.born is not None or bool(self.born_charges)
