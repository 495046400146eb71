"""A binary alloy of closed functions, and cells without symmetry."""

import numpy as np
import pytest
from ase import Atoms

from embedded_atom.alloy import alloy_functions
from silicon.quartz import QUARTZ, quartz
from trajmodes.data.crystal import Crystal
from trajmodes.potentials.eam.embedded_atom import EmbeddedAtom
from trajmodes.potentials.relaxation import relaxed
from trajmodes.potentials.shell_model.files import read_shell_model


@pytest.fixture(scope="session")
def alloy():
    return EmbeddedAtom(alloy_functions())


@pytest.fixture(scope="session")
def triclinic():
    """Three unequal atoms without any symmetry, with forces on all of them."""
    cell = [[3.1, 0.3, 0.2], [0.5, 3.6, -0.4], [-0.3, 0.8, 4.2]]
    sites = [[0.0, 0.0, 0.0], [0.5, 0.4, 0.1], [0.1, 0.5, 0.6]]
    return Crystal.from_ase(Atoms("NiAlNi", cell=cell, scaled_positions=sites, pbc=True))


@pytest.fixture(scope="session")
def slab():
    """Two layers with a step, unrelaxed, and empty space."""
    cell = np.diag([5.2, 2.7, 20.0])
    places = [[0.0, 0.0, 0.0], [2.6, 0.0, 0.1], [1.3, 1.35, 2.0], [0.2, 0.1, 3.9]]
    return Crystal.from_ase(Atoms("NiAlNiAl", cell=cell, positions=places, pbc=True))


@pytest.fixture(scope="session")
def static_quartz(tmp_path_factory):
    """The shell model of α-quartz with lists of the static structure, and this structure."""
    path = tmp_path_factory.mktemp("quartz") / "quartz.toml"
    path.write_text(QUARTZ, encoding="utf-8")
    start = quartz([4.902, 5.415, 0.4625, 0.4118, 0.2752, 0.2180])
    model = read_shell_model(path).near(start)
    return model, relaxed(model, start, cell=True)
