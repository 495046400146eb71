"""The terminal: how a command ends, and its progress bars, both on stderr.

Errors are a few lines, each kind with its exit code. Bars show rate and remaining time.
"""

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from trajmodes.errors import TrajmodesError, TrajmodesWarning

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130
BUG = 1


@contextmanager
def ending() -> Iterator[None]:
    """Turn exceptions of a command into messages and exit codes, and warnings into notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", TrajmodesWarning)
        warnings.showwarning = _show_each_once()
        try:
            yield
        except TrajmodesError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted: earlier results are unchanged", err=True)
            sys.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception:  # noqa: BLE001 - any other exception is a bug, and is shown
            traceback.print_exc()
            click.echo("this is a bug in trajmodes: please report the lines above", err=True)
            sys.exit(BUG)


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


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Advance]]:
    """Provide a function that starts a bar: (title, number of frames) → advance(frames)."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    watched = console.is_terminal
    with (
        Progress(*columns, console=console, disable=not watched) as progress,
        compilation_announced(console) if watched else nullcontext(),
    ):

        def start(title: str, total: int) -> Advance:
            task = progress.add_task(title, total=total, rate="")

            def advance(frames: int) -> None:
                progress.advance(task, frames)
                speed = progress.tasks[task].speed
                progress.update(task, rate=f"{speed:,.0f} frames/s" if speed else "")

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
