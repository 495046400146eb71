from importlib.resources import files
from pathlib import Path

import pytest

from trajmodes.results.dataset import _FACTORS, _follow
from trajmodes.results.schema import (
    DIMENSIONS,
    VARIABLES,
    _typeset,
    list_variables,
    variable_of,
)

PAGE = Path(__file__).parents[3] / "docs" / "variables.md"


def test_the_docs_list_all_variables():
    # Renew it with python -c "from trajmodes.results.schema import list_variables; …".
    page = PAGE.read_text(encoding="utf-8")
    start, stop = "<!-- variables -->\n", "<!-- end of variables -->"
    assert page.partition(start)[2].partition(stop)[0].strip() == list_variables().strip()


def test_all_dimensions_and_units_are_declared():
    used = {axis for variable in VARIABLES.values() for axis in variable.dimensions}
    assert used == set(DIMENSIONS)
    assert {variable.divide_by for variable in VARIABLES.values()} == {"", *_FACTORS}


def test_no_variable_is_declared_twice():
    text = files("trajmodes.results").joinpath("variables.csv").read_text("utf-8")
    names = [line.partition(",")[0] for line in text.splitlines() if line[0] != "#"]
    assert len(set(names)) == len(names)


def test_a_standard_error_has_the_unit_and_meaning_of_its_variable():
    error = variable_of("lifetime_ps_sem")
    assert error.unit == "ps"
    assert error.text == "standard error: energy lifetime, from the linewidth, in ps"
    with pytest.raises(KeyError, match="no_such"):
        variable_of("no_such_sem")


class Source:
    pair = (1.0, 2.0)
    nothing = None

    def __init__(self):
        self.parts = (self,)


def test_sources_are_paths_of_attributes():
    roots = {"source": Source(), "absent": None}
    assert _follow(roots, "source.pair.1") == 2.0
    assert _follow(roots, "source.parts.pair") == [(1.0, 2.0)]
    for path in ("source.pair.2", "source.nothing.more", "absent.x", "none", "source.pair_sem"):
        assert _follow(roots, path) is None
    with pytest.raises(AttributeError, match="pairs"):
        _follow(roots, "source.pairs")


def test_indices_and_names_are_typeset():
    text = _typeset("k_BT of `q`, C_V + 9α²K_TVT, |x_full|, r_squared, fc.h5, e^(−γt), ∫₀^∞")
    assert text == (
        "k<sub>B</sub>T of `q`, C<sub>V</sub> + 9α²K<sub>T</sub>VT, \\|x<sub>full</sub>\\|, "
        "`r_squared`, fc.h5, e<sup>−γt</sup>, ∫₀<sup>∞</sup>"
    )
    assert _typeset("in force_constants.h5") == "in `force_constants.h5`"
