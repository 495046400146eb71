"""Files of a run: patterns, and what comes through a pipe."""

import os
import shutil
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from trajmodes.config.job import job_from_mapping, job_of, toml_text
from trajmodes.errors import StorageError, TrajmodesWarning, UsageError
from trajmodes.readers import inputs
from trajmodes.readers.inputs import input_paths, keep


def piped(pieces, path, *, pause_s=0.0, **more):
    """Keep what a writer in a thread sends, piece by piece."""
    receiving, sending = os.pipe()

    def write():
        with os.fdopen(sending, "wb", buffering=0) as pipe:
            for piece in pieces:
                time.sleep(pause_s)
                pipe.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        keep(receiving, path, **more)
    finally:
        os.close(receiving)
        writer.join()


def test_all_that_comes_is_kept(tmp_path):
    pieces = [os.urandom(size) for size in (1, 70_000, 3, 3_000_000)]
    piped(pieces, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"".join(pieces)


def test_a_writer_that_is_silent_is_named_and_waited_for(tmp_path):
    with pytest.warns(TrajmodesWarning, match=r"for 0.05 s, after \d+ bytes: still waiting"):
        piped([b"one", b"two"], tmp_path / "a", pause_s=0.2, patience_s=0.05)
    assert (tmp_path / "a").read_bytes() == b"onetwo"


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="nothing came through standard input"):
        piped([], tmp_path / "a")


def test_space_is_left_on_the_disk(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage(1, 1, 1000))
    with pytest.raises(StorageError, match="no space for more data from standard input"):
        keep(os.open(os.devnull.replace("null", "zero"), os.O_RDONLY), tmp_path / "a")
    assert (tmp_path / "a").stat().st_size == 0


def test_a_terminal_is_no_pipe(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(inputs.sys, "stdin", Terminal())
    with pytest.raises(UsageError, match="standard input is a terminal"):
        input_paths(["-"])


def test_patterns_are_sorted_and_must_match(tmp_path):
    for name in ("b.xyz", "a.xyz", "c[1].xyz"):
        (tmp_path / name).touch()
    found = input_paths([str(tmp_path / "?.xyz"), str(tmp_path / "c[1].xyz")])
    assert [path.name for path in found] == ["a.xyz", "b.xyz", "c[1].xyz"]
    with pytest.raises(UsageError, match="no file matches"):
        input_paths([str(tmp_path / "*.nc")])


def test_a_job_file_keeps_the_name_of_standard_input(tmp_path):
    (tmp_path / "run.toml").write_text(toml_text(job_from_mapping({"trajectory": ["-", "a"]})))
    again = job_of("run", tmp_path / "run.toml", {})
    assert again.trajectory == ("-", str(Path("a").absolute()))
