"""The files of `bvk`, `potential` and `qha`, declared as those in `catalogue`."""

from functools import partial

from trajmodes.report.figures.catalogue import OUTPUTS, Drawing
from trajmodes.results.by_command.born_von_karman import BVK_TABLES
from trajmodes.results.by_command.minimised import MINIMUM_TABLES
from trajmodes.results.by_command.potential import RESPONSE_TABLE
from trajmodes.results.outputs import Output

SHELL_OUTPUTS = (
    *BVK_TABLES,
    Output(
        "figures/constants.png",
        "Born–von Kármán constants by shell and model",
        ("bvk_constant",),
        partial(Drawing, "potentials.shells.draw_constants"),
    ),
    Output(
        "figures/differences.png",
        "constants and frequencies minus those with which they are compared",
        ("bvk_reference_n_per_m",),
        partial(Drawing, "potentials.differences.draw_differences"),
    ),
    Output(
        "figures/bands.png",
        "bands of the models",
        ("bvk_band_freq_thz",),
        partial(Drawing, "potentials.shells.draw_bands"),
    ),
)
"""Files of `trajmodes bvk`, apart from results.nc, force constants and the table."""
POTENTIAL_OUTPUTS = (
    *OUTPUTS,
    RESPONSE_TABLE,
    *(one for one in SHELL_OUTPUTS if one.name not in {own.name for own in OUTPUTS}),
)
"""Files of `trajmodes potential`: those of force constants, and the constants of the shells."""
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
