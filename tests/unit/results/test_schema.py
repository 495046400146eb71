from pathlib import Path

import pytest

from trajmodes.results.dataset import _FACTORS, _found
from trajmodes.results.schema import DIMENSIONS, VARIABLES, list_variables, variable_of

FORMATS = Path(__file__).parents[3] / "docs" / "formats.md"


def test_the_list_in_the_docs_is_that_of_the_declarations():
    # Renew it with python -c "from trajmodes.results.schema import list_variables; …".
    page = FORMATS.read_text(encoding="utf-8")
    start, stop = "<!-- variables -->\n", "<!-- end of variables -->"
    assert page.partition(start)[2].partition(stop)[0].strip() == list_variables().strip()


def test_dimensions_and_units_are_known():
    used = {axis for variable in VARIABLES.values() for axis in variable.dimensions}
    assert used == set(DIMENSIONS)
    assert {variable.divide_by for variable in VARIABLES.values()} == {"", *_FACTORS}


def test_an_error_inherits_from_its_variable():
    error = variable_of("lifetime_ps_sem")
    assert error.unit == "ps"
    assert error.text == "standard error: energy lifetime, from the linewidth, in ps"
    with pytest.raises(KeyError, match="no_such"):
        variable_of("no_such_sem")


class Thing:
    pair = (1.0, 2.0)
    nothing = None

    def __init__(self):
        self.parts = (self,)


def test_sources_are_paths_of_attributes():
    parts = {"thing": Thing(), "absent": None}
    assert _found(parts, "thing.pair.1") == 2.0
    assert _found(parts, "thing.parts.pair") == [(1.0, 2.0)]
    for path in ("thing.pair.2", "thing.nothing.more", "absent.x", "none", "thing.pair_sem"):
        assert _found(parts, path) is None
    with pytest.raises(AttributeError, match="pairs"):
        _found(parts, "thing.pairs")
