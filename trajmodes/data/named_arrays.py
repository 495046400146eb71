"""Results as arrays with named axes: what tables, figures and texts are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError


class NamedArrays(Protocol):
    """Common interface of an xarray Dataset and `PlainArrays`."""

    @property
    def attrs(self) -> Mapping[Any, Any]:
        """Attributes of the file."""

    @property
    def dims(self) -> Any:
        """Names of the axes."""

    @property
    def sizes(self) -> Mapping[Any, int]:
        """Axis → its length."""

    @property
    def variables(self) -> Mapping[Any, Any]:
        """Name → array."""

    def __contains__(self, name: object, /) -> bool: ...

    def __getitem__(self, name: str, /) -> Any: ...

    def get(self, name: str, /) -> Any:
        """Return the array of a name, or None if there is none."""

    def isel(self, **places: Any) -> Self:
        """Select one element along each of the named axes, or several by a list."""


@dataclass(frozen=True, slots=True)
class PlainArray:
    """An array with the names of its axes."""

    dims: tuple[str, ...]
    values: npt.NDArray[Any]

    def item(self) -> Any:
        """Return the only element."""
        return self.values.item()

    def __array__(self, *form: Any, **options: Any) -> npt.NDArray[Any]:
        return np.array(self.values, *form, **options)

    def __float__(self) -> float:
        return float(self.values)

    def __int__(self) -> int:
        return int(self.values)

    def __bool__(self) -> bool:
        return bool(self.values)


@dataclass(frozen=True, slots=True)
class PlainArrays:
    """Named arrays without xarray, whose import takes half a second."""

    variables: Mapping[str, PlainArray]
    attrs: Mapping[str, Any]

    @property
    def sizes(self) -> Mapping[str, int]:
        """Axis → its length."""
        return {
            axis: size
            for one in self.variables.values()
            for axis, size in zip(one.dims, one.values.shape, strict=True)
        }

    @property
    def dims(self) -> frozenset[str]:
        """Names of the axes."""
        return frozenset(self.sizes)

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def __getitem__(self, name: str) -> PlainArray:
        if name not in self.variables:
            raise DataError(
                f"the results hold no {name}",
                why="an older trajmodes wrote them, with other variables",
                fix="repeat the run",
            )
        return self.variables[name]

    def get(self, name: str) -> PlainArray | None:
        """Return the array of a name, or None if there is none."""
        return self.variables.get(name)

    def isel(self, **places: Any) -> "PlainArrays":
        """Select one element along each of the named axes, or several by a list."""
        picked = {}
        for name, one in self.variables.items():
            index = tuple(places.get(axis, slice(None)) for axis in one.dims)
            left = tuple(axis for axis in one.dims if np.ndim(places.get(axis, [])))
            picked[name] = PlainArray(left, np.asarray(one.values[index]))
        return PlainArrays(picked, self.attrs)
