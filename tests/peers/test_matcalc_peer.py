"""The property calculator obeys the protocol of the installed matcalc."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

pytestmark = pytest.mark.peer
matcalc = pytest.importorskip("matcalc")
ours = pytest.importorskip("trajmodes.workflow.matcalc")


def test_a_property_calculator_of_matcalc():
    dynamics = ours.Dynamics(temperature=100.0, steps=600, timestep_fs=5.0, interval=4)
    calculator = ours.PhononsAtTemperatureCalc(EMT(), dynamics=dynamics, min_length=9.0)
    assert isinstance(calculator, matcalc.PropCalc)
    found = calculator.calc({"structure": bulk("Cu", a=3.6), "name": "copper"})
    assert found["name"] == "copper"
    assert found["final_structure"] is found["structure"]
    assert found["temperature"] == pytest.approx(100.0, rel=0.2)
    assert len(found["frequencies"]) == len(found["lifetimes"]) == len(found["modes"])
    assert found["_units"]["lifetimes"] == "ps"
    # The static crystal of matcalc itself, from displacements of single atoms
    static = matcalc.PhononCalc(
        EMT(), min_length=9.0, relax_structure=False, write_phonon=False
    ).calc(bulk("Cu", a=3.6))
    moving, still = (
        phonon.run_qpoints([[0.5, 0.5, 0.0]]).frequencies[0]
        for phonon in (found["phonon"], static["phonon"])
    )
    np.testing.assert_allclose(moving, still, rtol=0.05)


def test_structures_of_pymatgen_are_taken():
    core = pytest.importorskip("pymatgen.core")
    dynamics = ours.Dynamics(temperature=100.0, steps=200, timestep_fs=5.0, interval=4)
    lattice = core.Lattice.cubic(3.6)
    structure = core.Structure.from_spacegroup("Fm-3m", lattice, ["Cu"], [[0] * 3])
    calculator = ours.PhononsAtTemperatureCalc(EMT(), dynamics=dynamics, min_length=7.0)
    found = calculator.calc(structure)
    assert found["force_constants"].crystal.n_sites == 1
