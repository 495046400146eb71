"""The terminal: how a command ends, and its progress bars, both on stderr.

Errors are a few lines, each kind with its exit code. Bars show rate and remaining time.
"""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trajmodes.errors import StorageError, TrajmodesError, TrajmodesWarning
from trajmodes.machine import Stopped, stopped_by_signals

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BUG = 1
_OF_SIGNALS = 128
"""The exit code after a signal is this plus its number, as in a shell: 130 for Control-C."""


@contextmanager
def ending() -> Iterator[None]:
    """Turn exceptions of a command into messages and exit codes, and warnings into notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", TrajmodesWarning)
        warnings.showwarning = _show_each_once()
        try:
            with stopped_by_signals(), _disk_errors():
                yield
        except TrajmodesError as error:
            _complain(f"error: {error}")
            sys.exit(error.exit_code)
        except KeyboardInterrupt as error:
            notes = getattr(error, "__notes__", ())
            _complain("\n".join(["interrupted: no incomplete results are left", *notes]))
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            sys.exit(_OF_SIGNALS + number)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            # Click ends quietly if the reader of a pipe has left.
            raise
        except Exception:  # noqa: BLE001 - any other exception is a bug, and is shown
            traceback.print_exc()
            click.echo("this is a bug in trajmodes: please report the lines above", err=True)
            sys.exit(BUG)


def _complain(text: str) -> None:
    """Print a message; without a place for it the exit code has to do."""
    with suppress(OSError):
        click.echo(text, err=True)


def print_result(text: str) -> None:
    """Print the text of a command.

    Raises
    ------
    StorageError
        If it cannot be written, as to a file on a full disk.
    """
    try:
        click.echo(text, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would write the rest at its end, and fail again.
        with suppress(OSError), Path(os.devnull).open("w", encoding="utf-8") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
        raise StorageError(
            "the text of the command could not be printed",
            where="standard output",
            why=error.strerror or str(error),
            fix="free some space; files that the command has written are complete",
        ) from error


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn errors of a full, failing or locked disk into a `StorageError`."""
    try:
        yield
    except OSError as error:
        from trajmodes.results.storage import system_error

        found = system_error(error)
        if found is None:
            raise
        raise found from error


def _show_each_once() -> Callable[..., None]:
    shown: set[str] = set()

    def show(message: Warning | str, *_details: object, **_more: object) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            click.echo(f"warning: {message}", err=True)

    return show


Advance = Callable[[int], None]

_COMPILING = (
    "Compiling the numerical kernels for this machine: once per installation, half a minute."
)


_QUICK_S = 1.0
"""Stages that take less time are not shown."""


@contextmanager
def progress_bars(*, verbose: bool = False) -> Iterator[Callable[[str, int], Advance]]:
    """Provide a function that starts a bar: (title, number of frames) → advance(frames).

    A bar for no frames moves without a scale until it is advanced. Bars appear after a second.
    Where the output is not a terminal, ``verbose`` prints a line for each of them.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        Task,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    class LongStages(Progress):
        def make_tasks_table(self, tasks: Iterable[Task]) -> "Table":
            """Leave out what takes or took less than a second."""
            return super().make_tasks_table(
                task for task in tasks if (task.elapsed or 0.0) >= _QUICK_S
            )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<31}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    watched = console.is_terminal
    with (
        LongStages(*columns, console=console, disable=not watched) as progress,
        compilation_announced(console) if watched else nullcontext(),
    ):

        def start(title: str, total: int) -> Advance:
            if verbose and not watched:
                console.print(title)
            task = progress.add_task(title, total=total or None, rate="")

            def advance(frames: int) -> None:
                if total == 0:
                    progress.update(task, total=1, completed=1)
                else:
                    progress.advance(task, frames)
                    speed = progress.tasks[task].speed
                    progress.update(task, rate=f"{speed:,.0f} frames/s" if speed else "")
                if progress.tasks[task].finished:
                    progress.stop_task(task)

            return advance

        yield start


@contextmanager
def compilation_announced(console: "Console") -> Iterator[None]:
    """Print one line when the first kernel is compiled; cached kernels are not compiled."""
    from numba.core import event

    class Announce(event.Listener):  # numba carries no types
        said = False

        def on_start(self, event: Any) -> None:  # noqa: ARG002 - numba's interface
            if not self.said:
                self.said = True
                console.print(_COMPILING)

        def on_end(self, event: Any) -> None:
            """Print nothing."""

    with event.install_listener("numba:compile", Announce()):
        yield
