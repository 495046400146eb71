"""What is declared about a panel of a figure."""

from collections.abc import Callable
from typing import NamedTuple

from trajmodes.data.named_arrays import NamedArrays

ENERGY = "Spectral kinetic energy (meV/THz)"
FREQUENCY = "Frequency (THz)"


class Panel(NamedTuple):
    """One panel."""

    text: str
    maker: str
    """Module of `trajmodes.report` and its function."""
    needs: str
    """Variables without which there is nothing to draw; of those joined by | one is enough."""
    figure: str = ""
    """Figure of the results folder that the panel is a part of, unless it has its name."""
    xlabel: str = ""
    ylabel: str = ""
    """Labels that the function leaves to the figure."""
    of_a_mode: bool = False
    """Whether it is drawn for one set of modes."""
    each: str = ""
    """Function beside the maker that lists what it is drawn for, each by itself."""
    entries: str = ""
    """Function beside the maker that makes its legend."""
    colours: str = ""
    """Label of the colour bar of a map."""
    when: Callable[[NamedArrays], bool] | None = None
    """Whether results with these variables have something to draw; None: always."""


def missing(panel: Panel, dataset: NamedArrays) -> list[str]:
    """Variables that a panel needs and the results do not have."""
    lacking = [
        " or ".join(names)
        for names in (word.split("|") for word in panel.needs.split())
        if not any(name in dataset for name in names)
    ]
    if not lacking and panel.when is not None and not panel.when(dataset):
        return [panel.text]
    return lacking
