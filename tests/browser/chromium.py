"""Chromium without a window, driven through its DevTools protocol over two pipes."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
_LONGEST_S = 60.0


class Page:
    """An open page: what it says, its mouse, and its script."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._left, self._number, self._session = b"", 0, None
        self.said: list[str] = []
        """Errors and warnings of the console, and what was refused or not found."""

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call("Performance.enable", timeDomain="threadTicks")
        self._call("Network.emulateNetworkConditions", offline=True, latency=0,
                   downloadThroughput=0, uploadThroughput=0)  # fmt: skip
        self._call("Page.navigate", url=path.as_uri())
        self.run("new Promise((done) => document.readyState === 'complete' ? done(1)"
                 " : addEventListener('load', () => done(1)))")  # fmt: skip

    def processor_s(self) -> float:
        """Processor time of the main thread since the page was begun, in s."""
        found = self._call("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in found}["TaskDuration"]

    def width(self, pixels: int) -> None:
        """Show the page in a window of another width."""
        self._call("Emulation.setDeviceMetricsOverride", width=pixels, height=2000,
                   deviceScaleFactor=1, mobile=False)  # fmt: skip
        self.run("new Promise((done) => setTimeout(done, 400))")

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def run(self, script: str) -> Any:
        """Value of an expression, awaited if it is a promise."""
        found = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a place of the window, and wait a moment."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.run("new Promise((done) => setTimeout(done, 200))")

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window, and wait a moment."""
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )
        self.run("new Promise((done) => setTimeout(done, 400))")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            part = os.read(self._reading, 1 << 20)
            assert part, "the browser has ended"
            self._left += part
        one, _, self._left = self._left.partition(b"\0")
        return json.loads(one)

    def _note(self, event: dict[str, Any]) -> None:
        given, method = event.get("params", {}), event.get("method")
        if method == "Runtime.exceptionThrown":
            self.said.append(str(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning"):
            self.said.append(str(given["args"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.said.append(given["entry"]["text"])


@contextmanager
def browser(folder: Path, size: tuple[int, int] = (1300, 2000)) -> Iterator[Page]:
    """Start Chromium with a profile of its own, and end it with the block."""
    assert PROGRAM is not None
    to_child, ours_out = os.pipe()
    ours_in, from_child = os.pipe()
    command = [
        *(PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
        *(f"--window-size={size[0]},{size[1]}", f"--user-data-dir={folder}"),
    ]

    # The protocol reads descriptor 3 and writes descriptor 4, which a shell can provide.
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{to_child} 4>&{from_child}', "bash", *command],
        pass_fds=(to_child, from_child),
        stderr=subprocess.DEVNULL,
    )
    os.close(to_child)
    os.close(from_child)
    try:
        yield Page(ours_in, ours_out)
    finally:
        process.terminate()
        process.wait(_LONGEST_S)
        os.close(ours_in)
        os.close(ours_out)
