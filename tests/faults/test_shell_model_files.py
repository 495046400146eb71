"""Files of shell models that are cut or damaged give an error of the package, or a model."""

import numpy as np
import pytest

from silicon.quartz import QUARTZ, quartz
from trajmodes.errors import TrajmodesError
from trajmodes.potentials.shell_model.files import read_shell_model
from trajmodes.potentials.shell_model.gulp import read_gulp
from trajmodes.potentials.shell_model.stillinger_weber import read_stillinger_weber

pytestmark = pytest.mark.faults

LIBRARY = """\
species 3
Si core  4.00000
O core  0.86902
O shel -2.86902
buckingham
Si core O shel 1316.374 0.3205 10.66 0.0 12.0
O shel O shel 22764.0 0.149 27.879 &
  0.0 12.0
three
Si core O shel O shel 2.09724 109.47 2.2 2.2 4.4
morse kcal
Si core O core 0.0 1.0 1.0 2.0
lennard 12 6
O core O core 0.0 0.0 2.0
spring
O 74.92
"""
SILICON = "Si Si Si 2.1683 2.0951 1.8 21.0 1.2 -0.333333333333 7.04955 0.60222 4.0 0.0 0.0\n"
FILES = {
    "toml": (QUARTZ, read_shell_model),
    "lib": (LIBRARY, read_gulp),
    "sw": (SILICON, read_stillinger_weber),
}


def outcome(read, path, content):
    """Terms of a damaged file, or None if it is refused."""
    path.write_bytes(content)
    try:
        return read(path).terms
    except TrajmodesError:
        return None


def values(terms):
    """All numbers of a model, in the order of its terms, as energies at given places."""
    r = np.array([1.1, 1.7])
    found = [*terms.charges.values()]
    for one in terms.pairs:
        found += [one.cutoff, one.least, *one.function(r, 0)]
    for one in terms.angles:
        parts = (f(x, 0) for f, x in zip(one.function, (r, r, r / 2), strict=True))
        found += [*one.cutoffs, one.apart, *np.concatenate(list(parts))]
    found += [x for one in terms.springs.values() for x in one(r, 0)]
    return np.array(found, dtype=float)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_any_byte_has_the_terms_before(name, tmp_path):
    """A cut after the last complete line leaves terms as they are, or is refused.

    Only the last number of a cut line can be shorter without being noticed.
    """
    text, read = FILES[name]
    path = tmp_path / "model.toml"
    whole = set(np.round(values(read_of(read, path, text)), 12))
    for end in range(len(text)):
        found = outcome(read, path, text[:end].encode())
        if found is not None and text[end - 1] == "\n":
            assert set(np.round(values(found), 12)) <= whole


def read_of(read, path, text):
    path.write_text(text, encoding="utf-8")
    return read(path).terms


@pytest.mark.parametrize("name", FILES)
def test_damaged_bytes_are_refused_or_leave_finite_numbers(name, tmp_path):
    text, read = FILES[name]
    path, rng = tmp_path / "model.toml", np.random.default_rng(7)
    refused = 0
    for _ in range(700):
        content = bytearray(text.encode())
        for _ in range(rng.integers(1, 4)):
            place = rng.integers(len(content))
            content[place] = rng.integers(256) if rng.random() < 0.3 else rng.integers(32, 127)
        found = outcome(read, path, bytes(content))
        refused += found is None
        if found is not None:
            with np.errstate(over="ignore"):
                assert not np.isnan(values(found)).any()
    assert refused > 200


@pytest.mark.parametrize("word", [b"1" + 400 * b"0", b"1e400", b"nan", b"inf", b"\xff", b"0y1"])
@pytest.mark.parametrize("name", FILES)
def test_numbers_out_of_range_are_refused(name, word, tmp_path):
    text, read = FILES[name]
    for number in ("22764.0", "74.92", "2.0951", "4.00000", "109.47"):
        if number in text:
            content = text.encode().replace(number.encode(), word, 1)
            assert outcome(read, tmp_path / "model.toml", content) is None


def test_the_library_is_that_of_the_other_file(tmp_path):
    """So that both tests damage the same model."""
    (tmp_path / "model.toml").write_text(QUARTZ, encoding="utf-8")
    (tmp_path / "model.lib").write_text(LIBRARY, encoding="utf-8")
    crystal = quartz(np.array([4.9, 5.4, 0.465, 0.41, 0.276, 0.222]))
    one = read_shell_model(tmp_path / "model.toml").state(crystal).energy
    assert read_gulp(tmp_path / "model.lib").state(crystal).energy == pytest.approx(one)
