"""How the program ends: errors as a few lines on stderr, each kind with its exit code."""

import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from trajmodes.errors import TrajmodesError, TrajmodesWarning

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
