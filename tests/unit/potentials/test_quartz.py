"""α-quartz in the quasiharmonic approximation: schemes, and the end of the full minimum.

M. B. Taylor, N. L. Allan, J. A. O. Bruno, G. D. Barrera, Phys. Rev. B 59, 353 (1999), Fig. 3.
"""

import numpy as np
import pytest

from silicon.quartz import QUARTZ, quartz
from trajmodes.potentials.shell_model.files import read_shell_model
from trajmodes.thermo.minimisation.coordinates import symmetric_coordinates
from trajmodes.thermo.minimisation.local import Mesh, local_at
from trajmodes.thermo.minimisation.minimum import static_minimum
from trajmodes.thermo.minimisation.ramp import Treatment, minimised

START = np.array([4.9, 5.4, 0.465, 0.41, 0.276, 0.222])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("quartz") / "quartz.toml"
    path.write_text(QUARTZ, encoding="utf-8")
    return read_shell_model(path)


def test_quartz_has_two_strains_and_four_displacements():
    coordinates = symmetric_coordinates(quartz(START))
    assert (coordinates.n_strains, coordinates.size) == (2, 6)


@pytest.mark.slow
def test_the_gradient_of_f_is_that_of_differences_for_every_coordinate(model):
    coordinates = symmetric_coordinates(quartz(START))
    near, mesh = model.near(quartz(START)), Mesh.through_gamma(quartz(START), (2, 2, 2))
    x, step = static_minimum(near, coordinates), 4e-4

    def total(at):
        local = local_at(near, coordinates, mesh, at)
        return local.energy + local.vibrational(300.0, "quantum").total(0)

    local = local_at(near, coordinates, mesh, x)
    slopes = local.slopes + local.vibrational(300.0, "quantum").slopes
    wanted = []
    for move in step * np.eye(6):
        close, far = (total(x + k * move) - total(x - k * move) for k in (1, 2))
        wanted.append((8.0 * close - far) / (12.0 * step))
    np.testing.assert_allclose(slopes, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_schemes_differ_and_the_full_minimum_is_lost(model):
    """Between 350 and 400 K on a mesh of 4 × 4 × 4, with real frequencies; ZSISA goes on."""
    kelvins = [0.0, 200.0, 350.0, 400.0]
    treatment = Treatment((4, 4, 4), "zsisa")
    zsisa = minimised(model, quartz(START), treatment, kelvins)
    full = minimised(model, quartz(START), treatment._replace(scheme="full"), kelvins)
    assert zsisa.ended == ("",)
    assert "no minimum" in full.ended[0]
    a = {"full": full.cells[0, :, 0, 0], "zsisa": zsisa.cells[0, :, 0, 0]}
    assert np.isnan(a["full"][3])
    # Without temperature they agree but for the zero-point motion.
    assert a["full"][0] == pytest.approx(a["zsisa"][0], abs=1e-4)
    assert a["full"][2] - a["zsisa"][2] > 0.003
    # The static structure of the paper
    assert zsisa.crystal.cell[0, 0] == pytest.approx(4.90, abs=0.006)
    assert zsisa.crystal.cell[2, 2] == pytest.approx(5.41, abs=0.006)


@pytest.mark.soak
def test_on_a_fine_mesh_the_full_minimum_is_lost_above_400_k(model):
    """As in the paper; coarser meshes lose it earlier."""
    full = minimised(model, quartz(START), Treatment((8, 8, 8), "full"), [400.0, 420.0])
    assert np.isfinite(full.cells[0, 0]).all()
    assert "no minimum" in full.ended[0]
