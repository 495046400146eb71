"""From a LAMMPS run to phono3py: it finds our results in our files."""

from pathlib import Path

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.phonons.anharmonic.gruneisen import gruneisen_at
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.after_fit import export_job

pytestmark = pytest.mark.peer

phono3py = pytest.importorskip("phono3py")
gruneisen = pytest.importorskip("phono3py.phonon3.gruneisen")

DATA = Path(__file__).parents[2] / "examples" / "data"
Q_LIST = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.0], [0.1, 0.27, -0.4], [0.25, 0.0, 0.25]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pairs and triplets of silicon at 1150 K, fitted to the bundled run."""
    output = tmp_path_factory.mktemp("silicon") / "fit"
    words = [
        DATA / "silicon.lammpstrj.xz",
        "--cell",
        DATA / "silicon.POSCAR",
        "--frames",
        ":800",
    ]
    words += ["--cutoff2", 5.0, "--cutoff3", 3.9, "-o", output]
    main(["fit", *map(str, words)], standalone_mode=False)
    return output


def test_phono3py_finds_our_gruneisen_parameters_from_our_export(folder, monkeypatch):
    (files,) = export_job(str(folder), ("phono3py",)).files.values()
    monkeypatch.chdir(files[0].parent)  # where it looks for fc2.hdf5 and fc3.hdf5
    peer = phono3py.load(files[0], log_level=0)
    theirs = gruneisen.Gruneisen(
        peer.fc2, peer.fc3, peer.supercell, peer.primitive, ion_clamped=False
    )
    theirs.set_qpoints(Q_LIST)
    theirs.run()
    constants = tm.read_force_constants(folder / "force_constants.h5")
    ours, sets = gruneisen_at(constants, Q_LIST), modes_at(constants, Q_LIST).sets
    traces = np.trace(theirs.gruneisen_parameters, axis1=2, axis2=3) / 3.0
    for q, m in np.ndindex(sets.shape):
        mean = traces[q, sets[q] == sets[q, m]].mean()
        assert ours.gamma[q, m] == pytest.approx(mean, rel=1e-5)
