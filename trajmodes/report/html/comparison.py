"""Differences between the results of two or more folders of one crystal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import DataError
from trajmodes.report.numbers import compact, place_of
from trajmodes.report.summary import overview_rows
from trajmodes.report.text.overview import crystal_line

_LARGEST_RATIO = 1.2
"""Ratio of two volumes of the primitive cell beyond which it is another crystal."""
_COMPARED = (
    ("harmonic", "freq_harmonic_thz", "THz"),
    ("line", "freq_spectrum_thz", "THz"),
    ("FWHM", "linewidth_thz", "THz"),
)


@dataclass(frozen=True, slots=True)
class Shifts:
    """Differences of one folder from the first, mode by mode."""

    name: str
    heads: tuple[tuple[str, str], ...]
    """Title and unit."""
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Lines that differ, and shifts of the modes."""

    names: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    """Name and the text of each folder."""
    shifts: tuple[Shifts, ...]
    """Of the folders whose modes are those of the first one."""


def compare(names: Sequence[str], datasets: Sequence[NamedArrays]) -> Comparison | None:
    """Compare two or more results; None for a single one.

    Raises
    ------
    DataError
        If they are of different crystals.
    """
    if len(datasets) < 2:
        return None
    for name, other in zip(names[1:], datasets[1:], strict=True):
        _require_same_crystal(names[0], datasets[0], name, other)
    texts = [dict(overview_rows(one)) for one in datasets]
    heads = dict.fromkeys(head for one in texts for head in one)
    lines = [(head, tuple(one.get(head, "–") for one in texts)) for head in heads]
    shifts = [
        Shifts(name, *_shifts(datasets[0], other))
        for name, other in zip(names[1:], datasets[1:], strict=True)
        if _have_same_modes(datasets[0], other)
    ]
    differing = tuple((head, line) for head, line in lines if len(set(line)) > 1)
    return Comparison(tuple(names), differing, tuple(shifts))


def _require_same_crystal(
    first_name: str, first: NamedArrays, name: str, other: NamedArrays
) -> None:
    if "cell" not in first or "cell" not in other:
        return
    volumes = [abs(np.linalg.det(one["cell"].values)) for one in (first, other)]
    species = [sorted(map(str, one["species"].values)) for one in (first, other)]
    if species[0] == species[1] and max(volumes) < _LARGEST_RATIO * min(volumes):
        return
    raise DataError(
        f"{first_name} has {crystal_line(first)}, {name} {crystal_line(other)}",
        why="a comparison is of one crystal, at several temperatures or with several fits",
        fix="write a report of each",
    )


def _have_same_modes(first: NamedArrays, other: NamedArrays) -> bool:
    if "set_q" not in first or "set_q" not in other:
        return False
    return all(
        np.array_equal(first[name].values, other[name].values)
        for name in ("set_q", "branch_first", "branch_last")
    )


def _shifts(
    first: NamedArrays, other: NamedArrays
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, ...], ...]]:
    """Headings and rows: each shift with its error, and in units of the error."""
    known = [one for one in _COMPARED if one[1] in first and one[1] in other]
    heads = [("q", ""), ("br.", "")]
    columns: list[list[str]] = [_places(first), [str(b) for b in first["branch_first"].values]]
    for title, name, unit in known:
        shift = other[name].values - first[name].values
        sem = np.hypot(*(_sem(one, name) for one in (first, other)))
        heads += [(f"Δ {title}", unit), ("in errors", "")]
        pairs = list(zip(shift.tolist(), sem.tolist(), strict=True))
        columns += [
            [compact(x, s if np.isfinite(s) else None) for x, s in pairs],
            [f"{x / s:+.1f}" if np.isfinite(x) and s > 0.0 else "–" for x, s in pairs],
        ]
    return tuple(heads), tuple(zip(*columns, strict=True))


def _sem(dataset: NamedArrays, name: str) -> Any:
    found = dataset.get(f"{name}_sem")
    return np.full(dataset[name].values.shape, np.nan) if found is None else found.values


def _places(dataset: NamedArrays) -> list[str]:
    names = [name for name in ("set_q", "set_point") if name in dataset]
    values = {name: dataset[name].values for name in names}
    return [
        place_of({name: value[g] for name, value in values.items()})
        for g in range(dataset.sizes["set"])
    ]
