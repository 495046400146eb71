"""A server on the loopback that gives ranges of objects in memory, for a bounded time."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Objects:
    """What the server gives, and how it answers."""

    contents: dict[str, bytes] = field(default_factory=dict)
    n_sent: int = 0
    """Bytes of objects sent so far."""
    gives_ranges: bool = True
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    objects: Objects

    def do_HEAD(self):
        self._answer(with_content=False)

    def do_GET(self):
        self._answer(with_content=True)

    def _answer(self, *, with_content):
        objects = self.objects
        content = objects.contents.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        is_part = bool(asked) and objects.gives_ranges
        part = content[int(asked[1]) : int(asked[2]) + 1] if is_part else content
        self.send_response(206 if is_part else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", md5(content).hexdigest())
        self.end_headers()
        if with_content:
            objects.n_sent += len(part)
            self.wfile.write(part)

    def log_message(self, *_):
        """Keep the terminal quiet."""


@contextmanager
def served(contents):
    """Serve objects by their names while the context lasts."""
    objects = Objects(dict(contents))
    handler = type("Handler", (_Handler,), {"objects": objects, "timeout": 10})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        objects.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield objects
        finally:
            server.shutdown()
            thread.join(10)
