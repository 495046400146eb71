"""Options of the analysis of a running simulation."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from trajmodes.config import kinds
from trajmodes.config.kinds import Kind
from trajmodes.config.option import Group, option

Condition = tuple[str, float]
"""Quantity and value at which a simulation has run long enough."""

UNIT_OF_CONDITION = {
    "frequency": "THz",
    "linewidth": "%",
    "temperature": "K",
    "frames": "",
    "minutes": "",
}


def _read(text: str) -> tuple[Condition, ...]:
    return tuple(map(_condition, text.split(",")))


def _condition(text: str) -> Condition:
    quantity, number, *unit = text.replace("%", " %").split()
    if " ".join(unit) != UNIT_OF_CONDITION.get(quantity, text):
        raise ValueError(text)
    return quantity, float(number)


def _are_conditions(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        len(one) == 2
        and one[0] in UNIT_OF_CONDITION
        and kinds.LEAST <= one[1] <= kinds.MOST
        and (one[0] != "frames" or float(one[1]).is_integer())
        for one in value
    )


CONDITIONS = Kind(
    "conditions such as “frequency 0.02 THz”, “linewidth 10 %”, “temperature 1 K”, "
    "“frames 100000” or “minutes 60”, separated by commas",
    _are_conditions,
    _read,
    from_text=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions(Group):
    """How long a simulation is watched, and how its frames are recorded and analysed."""

    title: ClassVar = "Running simulation"
    commands: ClassVar = "live"

    until: tuple[Condition, ...] = option(
        "When to stop: the largest standard error of a frequency in THz, the relative error "
        "that half of the linewidths have in %, the standard error of the temperature in K, a "
        "number of frames, or of minutes. Of several, separated by commas, the first one "
        "decides.",
        default=(),
        kind=CONDITIONS,
        metavar="CONDITION",
        keyword_type="str",
        unset="the end of the simulation",
    )
    then: Literal["detach", "kill", "pause"] = option(
        "What to do with the simulation then: let it continue, end it, or hold it at its step "
        "until Control-C or the signal USR2.",
        default="detach",
    )
    record: str | None = option(
        "File that the frames are written to, which all commands read.",
        metavar="FILE",
        unset="stream.imd in the folder of the results",
        is_path=True,
    )
    renew: float = option(
        "Seconds between two analyses of all frames so far; more if an analysis takes longer "
        "than a tenth of them.",
        default=60.0,
        kind=kinds.number(0.1, 1e6),
        metavar="S",
    )
    wait: float = option(
        "Seconds to wait for a simulation that does not answer, at the beginning or after the "
        "connection was lost.",
        default=60.0,
        kind=kinds.number(0.1, 1e6),
        metavar="S",
    )
