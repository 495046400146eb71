"""Comment lines of extended XYZ: forms that programs write, and forms that are refused."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.errors import DataError, UsageError
from trajmodes.readers.units import choose_units, recognise_program
from trajmodes.readers.xyz.comment import (
    choose_fields,
    parse_comment,
    parse_lattice,
    parse_properties,
    parse_real,
)
from trajmodes.units import DALTON

NINE = "4 0 0 0 5 0 0 0 6"


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('Lattice="4 0 0 0 5 0 0 0 6" pbc="T T T"', {"lattice": NINE, "pbc": "T T T"}),
        ("lattice='4 0 0 0 5 0 0 0 6'", {"lattice": NINE}),
        ("LATTICE={4 0 0 0 5 0 0 0 6} flag", {"lattice": NINE, "flag": "T"}),
        ("Lattice = [[4,0,0],[0,5,0],[0,0,6]]", {"lattice": "[[4,0,0],[0,5,0],[0,0,6]]"}),
        (
            '"a key"="a \\"quoted\\" word" b=\'it is\'',
            {"a key": 'a "quoted" word', "b": "it is"},
        ),
        ('empty= next="1 2"', {"empty": "", "next": "1 2"}),
        ("a =1 b= 2 c = 3 d=4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        ("formula=a=b=c n=5'", {"formula": "a=b=c", "n": "5'"}),
        ("  Step=7\tTime=1.5  ", {"step": "7", "time": "1.5"}),
        (" Atoms. Timestep: 40 Time: 0.080000", {"timestep": "40", "time": "0.080000"}),
        (" Atoms. Timestep: 40", {"timestep": "40"}),
        ("don't \"panic", {}),
        ("", {}),
    ],
)
def test_comments_of_programs_are_parsed(line: str, values: dict[str, str]) -> None:
    assert parse_comment(line) == values


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ('Lattice="4 0 0 0 5 0', 1),
        ("x=1 Properties=species:S:1:pos:R:3 Lattice=[[1,0", 36),
        ('a=1 "open lattice=3', 5),
    ],
)
def test_open_quotes_are_refused_with_their_column(line: str, column: int) -> None:
    with pytest.raises(DataError, match=rf"no key=value pair.*\(column {column}\)"):
        parse_comment(line)


def test_a_cell_set_twice_is_refused() -> None:
    with pytest.raises(DataError, match="lattice is set twice"):
        parse_comment(f'Lattice="{NINE}" lattice="{NINE}"')


def test_hostile_lines_take_linear_time() -> None:
    began = time.perf_counter()
    for line in ('"' * 50_000, "[" * 50_000, "a" * 50_000, "a=" * 25_000, "\\" * 50_000):
        parse_comment(line)
        with pytest.raises(DataError):
            parse_comment(line + " lattice=[")
    assert time.perf_counter() - began < 5.0


keys = st.text("abcXYZ_09", min_size=1).filter(
    lambda key: key.lower() not in {"lattice", "properties"}
)
texts = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]))


@given(st.dictionaries(keys.map(str.lower), texts))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_quoted_values_are_read_back(values: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    line = " ".join(f"{key}={quoted(text)}" for key, text in values.items())
    assert parse_comment(f'{line} lattice="{NINE}"') == {**values, "lattice": NINE}


@pytest.mark.parametrize(
    "text", [NINE, "4,0,0, 0,5,0, 0,0,6", "[[4, 0, 0], [0, 5, 0], [0, 0, 6]]"]
)
def test_lattice_in_all_forms(text: str) -> None:
    np.testing.assert_array_equal(parse_lattice(text), np.diag([4.0, 5.0, 6.0]))


def test_lattice_rows_are_the_vectors() -> None:
    cell = parse_lattice("4 0 0 1.5 5 0 1 2 6d0")
    np.testing.assert_array_equal(cell, [[4, 0, 0], [1.5, 5, 0], [1, 2, 6]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4 0 0 0 5 0 0 0", "8 numbers where 9"),
        ("4 0 0 0 5 0 0 0 nan", "not a finite number: 'nan'"),
        ("4 0 0 0 5 0 0 0 1e999", "not a finite number: '1e999'"),
        ("4 0 0 0 5 0 0 0 1_0", "not a finite number: '1_0'"),
        ("4 0 0 0 5 0 0 0 0", "span no volume"),
    ],
)
def test_bad_lattices_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_lattice(text)


def test_fortran_exponents_are_read() -> None:
    assert parse_real("1.5D-2", "x") == 0.015


def test_properties_count_columns() -> None:
    found = parse_properties("species:S:1:pos:R:3:Group:I:2:forces:r:3")
    assert [(p.name, p.kind, p.first, p.count) for p in found.values()] == [
        ("species", "S", 0, 1),
        ("pos", "R", 1, 3),
        ("Group", "I", 4, 2),
        ("forces", "R", 6, 3),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("species:S:1:pos:R", "not a list of"),
        ("species:S:1:pos:Q:3", "pos:Q:3"),
        ("species:S:1:pos:R:0", "pos:R:0"),
        ("species:S:1:pos:R:99999", "pos:R:99999"),
        ("pos:R:3:POS:R:3", "POS:R:3"),
    ],
)
def test_bad_properties_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_properties(text)


@pytest.mark.parametrize("name", ["forces", "force", "REF_forces", "MACE_forces", "Forces"])
def test_forces_under_all_their_names(name: str) -> None:
    fields = choose_fields(parse_properties(f"species:S:1:pos:R:3:magmom:R:1:{name}:R:3"))
    assert fields.force == 5


def test_preferred_columns_are_chosen() -> None:
    text = "species:S:1:pos:R:3:REF_forces:R:3:forces:R:3:unwrapped_position:R:3"
    fields = choose_fields(parse_properties(text))
    assert (fields.force, fields.position, fields.unwrapped) == (7, 10, True)
    assert fields.ignored == ("ref_forces",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("species:S:1:xyz:R:3", "names no positions among species, xyz"),
        ("species:S:1:pos:R:2", "pos should have 3 columns of kind R"),
        ("species:S:1:pos:R:3:forces:S:3", "forces should have 3 columns of kind R"),
    ],
)
def test_columns_of_wrong_kind_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose_fields(parse_properties(text))


LAMMPS = "Timestep=0 Time=0.0 Potential_energy=-2.5 Temperature=60"
GPUMD = 'Time=1.0 energy=-1 virial="1 0 0 0 1 0 0 0 1" stress="1 0 0 0 1 0 0 0 1"'


@pytest.mark.parametrize(
    ("comment", "velocities", "program"),
    [
        (LAMMPS, "vel", "lammps"),
        ("Timestep=0", "vel", "lammps"),
        (GPUMD, "vel", "gpumd"),
        ("", "momenta", "ase"),
        (LAMMPS, "momenta", "ase"),
        ("Time=0.0", "velo", "quip"),
        ("", "vel", ""),
        ("Time=0.0", "vel", ""),
        (f'Origin="0 0 0" {LAMMPS}', "velo", ""),
    ],
)
def test_programs_are_recognised(comment: str, velocities: str, program: str) -> None:
    properties = parse_properties(f"species:S:1:pos:R:3:{velocities}:R:3")
    assert recognise_program(parse_comment(comment), properties) == program


@pytest.mark.parametrize(
    ("units", "program", "style", "velocity"),
    [
        (None, "lammps", "metal", 1.0),
        ("real", "lammps", "real", 1e3),
        (None, "gpumd", "gpumd", 1e3),
        (None, "quip", "quip", 1e3),
        (None, "ase", "ase", DALTON**-0.5),
        ("metal", "", "metal", 1.0),
    ],
)
def test_units_follow_the_user_then_the_program(
    units: str | None, program: str, style: str, velocity: float
) -> None:
    name, factors = choose_units(units, program, "vel", None)
    assert name == style
    assert factors.velocity == pytest.approx(velocity, rel=1e-15)


def test_velocities_of_unknown_unit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"(?s)'vel' is unknown.*--units metal"):
        choose_units(None, "", "vel", None)
    assert choose_units(None, "", "", None)[0] == "ase"


def test_masses_of_quip_are_in_its_own_unit() -> None:
    _, factors = choose_units("quip", "", "velo", None)
    # The mass of silicon is 2910.85 eV fs²/Å² in QUIP's files.
    assert 28.0855 * 103.6426957 * factors.mass == pytest.approx(28.0855 * DALTON, rel=1e-6)
