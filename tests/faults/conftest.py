"""What the tests of damaged files share."""

import os
import traceback
from collections.abc import Callable

import pytest


@pytest.fixture
def in_own_process():
    """Call a function in a process of its own, and require that it ends without an error."""

    def call(function: Callable[[], object]) -> None:
        child = os.fork()
        if child == 0:
            try:
                function()
            except BaseException:  # noqa: BLE001 - printed, and an exit code for the parent
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    return call
