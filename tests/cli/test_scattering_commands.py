"""The commands `trajmodes sqw` and `trajmodes one-phonon`."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import trajmodes as tm
import trajmodes.plot
from program_files.columns import check_figures_in_a_column
from trajmodes.cli.program import main
from trajmodes.errors import UsageError

DATA = Path(__file__).parents[2] / "examples" / "data"


def _invoked(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fit") / "fit"
    found = _invoked(
        *("fit", DATA / "silicon.lammpstrj.xz", "--cell", DATA / "silicon.POSCAR"),
        *("--frames", ":600", "--cutoff2", "4", "-o", folder),
    )
    assert found.exit_code == 0, found.output
    return folder


def test_sqw_prints_what_it_found_and_where_it_is(fitted, tmp_path):
    found = _invoked(
        *("sqw", DATA / "silicon.lammpstrj.xz", "--frames", ":600", "--from", "2,0,0"),
        *("--to", "6,0,0", "--axes", "conventional", "--force-constants", fitted),
        *("-v", "-o", tmp_path / "sqw"),
    )
    assert found.exit_code == 0, found.output
    assert "9 on a line, 2 0 0 to 6 0 0 in units of the conventional cell" in found.output
    assert "of S(Q) is not from one phonon" in found.output
    for name in ("tables/sqw.csv", "tables/one_phonon.csv", "figures/sqw_spectra.png"):
        assert (tmp_path / "sqw" / name).exists()
    assert "one-phonon scattering of the force constants" in " ".join(found.output.split())
    drawn = check_figures_in_a_column(tm.load(tmp_path / "sqw").to_dataset())
    assert {"structure-factor", "structure-factor-spectrum"} <= drawn
    shown = _invoked("show", tmp_path / "sqw" / "results.nc")
    assert "9 on a line" in shown.output


def test_cuts_through_a_plane_are_drawn_one_by_one(fitted, tmp_path):
    found = _invoked(
        *("one-phonon", fitted, "--to", "4,0,0", "--across", "0,4,0", "--points", "7"),
        *("-o", tmp_path / "plane"),
    )
    assert found.exit_code == 0, found.output
    dataset = tm.load(tmp_path / "plane").to_dataset()
    drawn = check_figures_in_a_column(dataset)
    assert "structure-factor" not in drawn
    axes = trajmodes.plot.structure_factor_cut(dataset, number=1)
    (tiles,) = axes.collections
    assert len(tiles.get_array()) == dataset.sizes["wavevector"]
    with pytest.raises(UsageError, match="no panel 6"):
        trajmodes.plot.structure_factor_cut(dataset, number=6)


def test_one_phonon_of_neutrons_by_given_lengths(fitted, tmp_path):
    found = _invoked(
        *("one-phonon", fitted, "--to", "1/2,1/2,3", "--weights", "Si:4.1491"),
        *("--temperature", "0", "--points", "11", "-o", tmp_path / "one"),
    )
    assert found.exit_code == 0, found.output
    assert "One phonon" in found.output
    assert "quantum, 0 K" in found.output
    assert (tmp_path / "one" / "figures" / "sqw.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "1,2"), "three numbers"),
        ((), "no line of scattering vectors"),
        (("--to", "4,0,0", "--weights", "heavy"), "names no scattering amplitudes"),
        (("--to", "4,0,0", "--across", "2,0,0"), "span no plane"),
        (("--to", "4,0,0", "--widths", "measured"), "widths"),
    ],
)
def test_impossible_options_are_refused(fitted, tmp_path, words, message):
    found = _invoked("one-phonon", fitted, *words, "-o", tmp_path / "one")
    assert found.exit_code != 0
    assert message in " ".join(found.output.split())
    assert not (tmp_path / "one").exists()
