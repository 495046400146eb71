"""Tables of `trajmodes elastic`."""

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.results.outputs import Output
from trajmodes.results.schema import variable_of
from trajmodes.results.tables import Table


def elastic_table(dataset: NamedArrays) -> Table:
    """One row for each elastic constant, average and eigenvalue, and for bending."""
    rows = [_row(dataset, *one) for one in _quantities(dataset) if one[1] in dataset]
    names = ("quantity", "unit", "value", "sem")
    columns = {name: np.array([row[k] for row in rows]) for k, name in enumerate(names)}
    order = ", ".join(f"{k} {name}" for k, name in enumerate(dataset["strain"].values, 1))
    meanings = {"quantity": f"Cij: i and j are {order}", "sem": "standard error"}
    return Table("Elastic constants of the force constants", columns, meanings)


def _quantities(dataset: NamedArrays) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Labels of the rows, with the variable and the index from which each is read."""
    strains, waves = len(dataset["strain"].values), dataset.get("bending_direction")
    for name in ("stiffness_gpa", "layer_stiffness"):
        for i, j in combinations_with_replacement(range(strains), 2):
            yield f"C{i + 1}{j + 1}", name, (i, j)
    for name in (
        *("bulk_modulus_gpa", "shear_modulus_gpa", "young_modulus_gpa"),
        *("layer_area_modulus", "layer_shear_modulus", "layer_young_modulus", "poisson_ratio"),
    ):
        for k, average in enumerate(dataset["average"].values):
            yield f"{variable_of(name).meaning} ({average})", name, (k,)
    for name in ("elastic_eigenvalue_gpa", "layer_eigenvalue"):
        for k in range(strains):
            yield f"eigenvalue {k + 1}", name, (k,)
    for name in ("bending_rigidity", "bending_tension"):
        for k, unit in enumerate(() if waves is None else waves.values + 0.0):
            along = " ".join(f"{x:.4g}" for x in unit)
            yield f"{variable_of(name).meaning} along {along}", name, (k,)
    for name in ("elastic_anisotropy", "elastic_misfit", "elastic_debye"):
        yield variable_of(name).meaning, name, ()


def _row(
    dataset: NamedArrays, label: str, name: str, place: tuple[int, ...]
) -> tuple[str, str, float, float]:
    """Label, unit, value and error; a constant that is zero by symmetry has no error."""
    values, sem = dataset[name].values, dataset.get(f"{name}_sem")
    error = np.nan if sem is None else float(sem.values[place])
    is_zero = abs(values[place]) < 1e-9 * np.abs(values).max() and not error > 1e-9
    value, error = (0.0, 0.0) if is_zero else (float(values[place]), error)
    return label, variable_of(name).unit, value, error


def sound_table(dataset: NamedArrays) -> Table:
    """One row for each direction in each plane: the velocities of three waves."""
    planes, angle = dataset["sound_plane"].values, dataset["sound_angle_deg"].values
    columns = {
        "sound_plane": np.repeat(planes, len(angle)),
        "sound_angle_deg": np.tile(angle, len(planes)),
    }
    for name in ("sound_km_s", "sound_km_s_sem"):
        if name in dataset:
            values = dataset[name].values.reshape(-1, 3)
            columns |= {f"{name}_{k + 1}": values[:, k] for k in range(3)}
    meanings = {name: variable_of(name).text for name in ("sound_angle_deg", "sound_km_s")}
    return Table("Velocities of sound, by ascending velocity", columns, meanings)


ELASTIC_TABLES = (
    Output(
        "tables/elastic.csv",
        "elastic constants, and their averages over orientations",
        ("strain",),
        elastic_table,
    ),
    Output(
        "tables/sound.csv",
        "velocities of sound by direction",
        ("sound_plane",),
        sound_table,
    ),
)
"""Tables of `trajmodes elastic`."""
