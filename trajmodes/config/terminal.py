"""The options of what is printed: tables, summaries, a first job file, completion."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from trajmodes.config import kinds
from trajmodes.config.option import Group, option


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions(Group):
    """Rows and columns of a table on the terminal."""

    title: ClassVar = "Table"
    commands: ClassVar = "modes show"

    columns: tuple[str, ...] = option(
        "Columns, separated by commas, such as q,branch,line,linewidth,lifetime: those of the "
        "table, or of its CSV file.",
        default=(),
        kind=kinds.COLUMNS,
        metavar="NAMES",
        unset="as many as there is room for",
    )
    sort: str | None = option(
        "Column that the rows are sorted by; of modes q, frequency, linewidth or lifetime too.",
        metavar="NAME",
        unset="the order of the file",
    )
    q: str | None = option(
        'Show only modes at this q and those equivalent by symmetry, such as X or "1/2 0 0".',
        metavar="Q",
        unset="all",
    )
    resolved: bool = option("Show only modes whose lifetime is resolved.", default=False)
    csv: bool = option("Print the table as CSV, with all digits.", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions(Group):
    """The job file that `trajmodes init` writes."""

    title: ClassVar = "Job file"
    commands: ClassVar = "init"

    output: str = option("Job file to write.", default="job.toml", metavar="FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions(Group):
    """The page that `trajmodes report` writes."""

    title: ClassVar = "Report"
    commands: ClassVar = "report"

    output: str | None = option(
        "File to write.", metavar="FILE", unset="report.html in the first folder"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotOptions(Group):
    """The figure that `trajmodes plot` draws."""

    title: ClassVar = "Figure"
    commands: ClassVar = "plot"

    modes: tuple[str, ...] = option(
        'Mode of a spectrum or an autocorrelation, such as X:4 or "1/2 0 0:3". May be '
        "repeated.",
        default=(),
        metavar="Q:BRANCH",
    )
    format: Literal["pdf", "svg", "png", "csv"] = option(
        "Format of the file; csv has the data that the figure shows.", default="pdf"
    )
    width: float | None = option(
        "Width of the figure, such as 85mm or 3.35in.",
        kind=kinds.LENGTH,
        metavar="LENGTH",
        unset="85 mm, one column of a journal",
    )
    height: float | None = option(
        "Height of the figure.", kind=kinds.LENGTH, metavar="LENGTH", unset="0.72 of the width"
    )
    dpi: int = option(
        "Resolution of PNG files, and of maps in other files, in dots per inch.",
        default=300,
        kind=kinds.whole(30, 2400),
        metavar="N",
    )
    xlim: tuple[float, ...] | None = option(
        "Range of the horizontal axis.",
        kind=kinds.LIMITS,
        metavar="LOW:HIGH",
        unset="that of the data",
    )
    ylim: tuple[float, ...] | None = option(
        "Range of the vertical axis.",
        kind=kinds.LIMITS,
        metavar="LOW:HIGH",
        unset="that of the data",
    )
    unit: Literal["THz", "meV", "cm-1"] = option(
        "Unit of frequencies, also in --xlim and --ylim.", default="THz"
    )
    style: str | None = option(
        "Style sheet of matplotlib, a file or a name, on top of that of the program.",
        metavar="FILE",
    )
    output: str | None = option(
        "File to write; its suffix is its format.",
        metavar="FILE",
        unset="the name of the figure in the working folder",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionOptions(Group):
    """Completion of commands and options by a shell."""

    title: ClassVar = "Completion"
    commands: ClassVar = "completion"

    install: bool = option(
        "Write the script to the file below the home folder that the shell reads.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalOptions(Group):
    """Text on the terminal."""

    title: ClassVar = "Terminal"
    commands: ClassVar = "check run live fit project sed sqw molecule resume demo"

    verbose: bool = option(
        "Print everything: all quantities, tables and notes, the files, and each stage of the "
        "work. Also -v.",
        default=False,
    )
