"""The quality of a fit as attributes of an HDF5 group, one subgroup for each order."""

from dataclasses import fields
from typing import Any

import h5py
import numpy as np

from trajmodes.data import FitQuality, OrderQuality

__all__ = ["read_quality", "write_quality"]

_TOGETHER = ("first_order", "orders", "constraints")


def write_quality(quality: FitQuality, group: h5py.Group) -> None:
    """Store every field under its name.

    Parameters
    ----------
    quality
        What is known of the fit.
    group
        An empty group.
    """
    for field in fields(FitQuality):
        if field.name not in _TOGETHER:
            group.attrs[field.name] = getattr(quality, field.name)
    words = np.array(quality.constraints, dtype=h5py.string_dtype())
    group.attrs.create("constraints", words)
    forces = group.create_dataset("first_order", data=quality.first_order)
    forces.attrs["axes"], forces.attrs["unit"] = "site, xyz", "eV/angstrom"
    for number, order in enumerate(quality.orders):
        part = group.create_group(f"orders/{number}")
        for field in fields(OrderQuality):
            part.attrs[field.name] = getattr(order, field.name)


def read_quality(group: h5py.Group) -> FitQuality:
    """Read what `write_quality` stored; fields that the file lacks take their defaults.

    Parameters
    ----------
    group
        The group.
    """
    names = {field.name for field in fields(FitQuality)} - set(_TOGETHER)
    parts = group.get("orders", {})
    return FitQuality(
        **{name: _plain(group.attrs[name]) for name in names if name in group.attrs},
        first_order=group["first_order"][()],
        orders=tuple(
            OrderQuality(**{name: _plain(value) for name, value in parts[key].attrs.items()})
            for key in sorted(parts, key=int)
        ),
        constraints=tuple(str(word) for word in group.attrs["constraints"]),
    )


def _plain(value: Any) -> Any:
    """Turn a number or string of HDF5 into one of Python."""
    return value.item() if isinstance(value, np.generic) else value
