"""The files of `trajmodes qha`, declared as those in `catalogue`."""

from functools import partial

from trajmodes.report.figures.catalogue import Drawing
from trajmodes.results.by_command.minimised import MINIMUM_TABLES
from trajmodes.results.outputs import Output

MINIMUM_OUTPUTS = (
    *MINIMUM_TABLES,
    Output(
        "figures/minimised.png",
        "lattice parameters, expansion, modulus, heat capacity and γ by temperature",
        ("minimum_volume",),
        partial(Drawing, "potentials.minimised.draw_minimised"),
    ),
)
"""Files of `trajmodes qha` of a potential, apart from results.nc."""
