"""α-quartz: a shell model and its structure."""

from ase import Atoms

from trajmodes.data.crystal import Crystal

QUARTZ = """\
# M. B. Taylor, N. L. Allan, J. A. O. Bruno, G. D. Barrera, Phys. Rev. B 59, 353 (1999), Table I
[charges]
Si = 4.0
O = 0.86902
"O shell" = -2.86902
[springs]
O = { k = 74.92 }
[[pair]]
between = ["Si", "O shell"]
form = "buckingham"
A = 1316.374
rho = 0.3205
C = 10.66
cutoff = 12.0
[[pair]]
between = ["O shell", "O shell"]
form = "buckingham"
A = 22764.0
rho = 0.149
C = 27.879
cutoff = 12.0
[[angle]]
centre = "Si"
ends = ["O shell", "O shell"]
form = "harmonic"
k = 2.09724
theta0 = 109.47
cutoff = 2.2
"""


def quartz(values) -> Crystal:
    """α-quartz, P3_221, of a, c and the four free coordinates u, x, y, z."""
    a, c, u, x, y, z = values
    sites = [[-u, -u, 0], [u, 0, 1 / 3], [0, u, 2 / 3]]
    sites += [[x, y, z], [-y, x - y, 1 / 3 + z], [y - x, -x, 2 / 3 + z]]
    sites += [[y, x, -z], [-x, y - x, 1 / 3 - z], [x - y, -y, 2 / 3 - z]]
    cell = [[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]]
    return Crystal.from_ase(Atoms("Si3O6", scaled_positions=sites, cell=cell, pbc=True))
