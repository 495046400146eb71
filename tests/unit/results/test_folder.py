import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from trajmodes.errors import DataError, LockedError, StorageError, UsageError
from trajmodes.results import storage
from trajmodes.results.folder import (
    Writer,
    open_folder,
    require_replaceable,
    whole_results,
    write_files,
)

HOLDER = """
import sys, time
from trajmodes.results.folder import open_folder
with open_folder(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def text(content):
    return Writer("a text", lambda path: path.write_text(content))


def broken(error):
    def write(path):
        path.write_text("half")
        raise error

    return Writer("breaks", write)


def paths_of(folder):
    """All files but the hidden file list."""
    return [p for p in folder.rglob("*") if p.is_file() and p.name != ".trajmodes.files"]


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in paths_of(folder)}


def test_only_files_of_the_earlier_run_are_removed(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("1"), "sub/b": text("1")})
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("2")})
    assert files_of(tmp_path) == {"mine.txt": "keep", "a": "2"}


def test_an_unused_new_folder_is_removed(tmp_path):
    with open_folder(tmp_path / "new"):
        pass
    assert list(tmp_path.iterdir()) == []
    with open_folder(tmp_path):
        pass
    assert tmp_path.exists()


def test_earlier_results_are_replaced(tmp_path):
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("1"), "sub/b": text("1")})
        assert write_files(folder, {"a": text("2")}) == {"a": "a text"}
    assert files_of(tmp_path) == {"a": "2"}


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "change its permissions"),
        (errno.EIO, "look at the system log"),
        (errno.EBADF, "check that the disk has space"),
    ],
)
def test_earlier_results_survive_a_failure(tmp_path, number, fix):
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("old"), "b": text("old")})
        failing = {"a": text("new"), "b": broken(OSError(number, os.strerror(number)))}
        with pytest.raises(StorageError, match="b could not be written") as caught:
            write_files(folder, failing)
    assert caught.value.exit_code == 4
    assert caught.value.why == os.strerror(number)
    assert fix in caught.value.fix
    assert caught.value.fix.endswith("earlier results are intact")
    assert files_of(tmp_path) == {"a": "old", "b": "old"}


@pytest.mark.parametrize(
    ("name", "fix"), [("sub", "a folder of that name exists"), ("a/b", "is a file")]
)
def test_an_occupied_name_is_found_before_anything_is_written(tmp_path, name, fix):
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("old"), "sub/b": text("old")})
        with pytest.raises(StorageError, match="could not be written") as caught:
            write_files(folder, {"sub/b": text("new"), name: text("new")})
    assert fix in caught.value.fix
    assert files_of(tmp_path) == {"a": "old", "sub/b": "old"}


def test_no_partial_files_remain_after_any_other_error(tmp_path):
    with open_folder(tmp_path) as folder, pytest.raises(KeyError, match="of another kind"):
        write_files(folder, {"a": broken(KeyError("of another kind"))})
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize(
    "name", ["../a", "/tmp/a", "sub/../../a", "out/a", ".", ".trajmodes.lock", "a/../.."]
)
def test_names_cannot_leave_the_folder(tmp_path, name):
    root = tmp_path / "results"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    with (
        open_folder(root) as folder,
        pytest.raises(UsageError, match="leads out of the results folder"),
    ):
        write_files(folder, {name: text("x")})
    assert [p.name for p in tmp_path.iterdir()] == ["results"]


def test_temporary_files_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / ".trajmodes.staging").mkdir()
    (tmp_path / ".trajmodes.staging" / "half").write_text("half")
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("1")})
    assert files_of(tmp_path) == {"a": "1"}


@pytest.fixture
def held(tmp_path):
    """A folder that another process has locked, and that process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield tmp_path, process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_cannot_open_the_folder_until_the_first_ends(held):
    path, process = held
    with (
        pytest.raises(LockedError, match="another process writes to this results") as caught,
        open_folder(path),
    ):
        pass
    assert caught.value.exit_code == 5
    for part in (f"host {socket.gethostname()}", f"process {process.pid}", "since 20"):
        assert part in caught.value.why
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (path / ".trajmodes.lock").exists()
    with open_folder(path) as folder:
        write_files(folder, {"a": text("1")})
    assert files_of(path) == {"a": "1"}


def test_the_same_process_cannot_open_the_folder_twice(tmp_path):
    with (
        open_folder(tmp_path),
        pytest.raises(LockedError, match=f"process {os.getpid()}"),
        open_folder(tmp_path),
    ):
        pass
    with open_folder(tmp_path):
        pass


def sign(path, host, pid):
    holder = {"host": host, "pid": pid, "time": "2026-01-01T00:00:00+00:00"}
    (path / ".trajmodes.holder").write_text(json.dumps(holder))


def test_a_lock_of_another_host_is_respected(tmp_path):
    sign(tmp_path, "far-away", 1)
    with (
        pytest.raises(LockedError, match="host far-away, process 1, since 2026-01-01"),
        open_folder(tmp_path),
    ):
        pass


@pytest.mark.parametrize("content", ["", "no json", "[1]", "\x00\x01"])
def test_a_lock_without_a_holder_is_stale(tmp_path, content):
    (tmp_path / ".trajmodes.lock").write_text(content)
    with open_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_without_file_locks_a_running_process_holds_the_lock(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "no locks")

    monkeypatch.setattr(storage.FileLock, "acquire", refuse)
    sign(tmp_path, socket.gethostname(), os.getppid())
    with pytest.raises(LockedError, match="another process writes"), open_folder(tmp_path):
        pass
    program = [sys.executable, "-c", "import os; print(os.getpid())"]
    gone = subprocess.run(program, capture_output=True, check=True)
    sign(tmp_path, socket.gethostname(), int(gone.stdout))
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("1")})
    assert files_of(tmp_path) == {"a": "1"}


def test_a_file_of_the_name_of_the_folder(tmp_path):
    (tmp_path / "results").write_text("a file")
    with (
        pytest.raises(StorageError, match="results could not be written") as caught,
        open_folder(tmp_path / "results"),
    ):
        pass
    assert "name another folder" in caught.value.fix
    assert Path(tmp_path / "results").read_text(encoding="utf-8") == "a file"


def test_foreign_files_are_not_replaced(tmp_path):
    (tmp_path / "b").write_text("mine")
    with open_folder(tmp_path) as folder:
        with pytest.raises(
            UsageError, match="b would be replaced, but trajmodes did not write"
        ):
            write_files(folder, {"a": text("1"), "b": text("1")})
        assert (tmp_path / "b").read_text() == "mine"
        assert not (tmp_path / "a").exists()
        write_files(folder, {"a": text("1")})
        with pytest.raises(UsageError, match=r"move b away"):
            write_files(folder, {"a": text("2"), "b": text("2")})
    assert files_of(tmp_path) == {"a": "1", "b": "mine"}


def test_existing_files_are_reported_before_the_run(tmp_path):
    require_replaceable(tmp_path / "new", ["a"], [tmp_path / "new", "run.xyz"])
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("1"), "sub/b": text("1")})
    (tmp_path / "c").write_text("mine")
    require_replaceable(tmp_path, ["a", "sub/b", "d"], [tmp_path / "c", tmp_path / "sub"])
    with pytest.raises(UsageError, match="c would be replaced"):
        require_replaceable(tmp_path, ["a", "c"])
    for given in (tmp_path, tmp_path / "sub" / ".." / "a", tmp_path / "sub" / "b"):
        with pytest.raises(UsageError, match="would replace one of their inputs"):
            require_replaceable(tmp_path, ["a"], [given])
    # Without a file list the folder is foreign and may contain the input.
    (tmp_path / ".trajmodes.files").unlink()
    require_replaceable(tmp_path, ["d"], [tmp_path])


def test_an_interrupted_writer_can_write_again(tmp_path, monkeypatch):
    moved, move = [], Path.replace

    def die(self, target):
        if target.name == "b":
            raise KeyboardInterrupt
        moved.append(move(self, target))

    with open_folder(tmp_path) as folder:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", die)
            with pytest.raises(KeyboardInterrupt):
                write_files(folder, {"a": text("1"), "b": text("1")})
        assert (tmp_path / "a").read_text() == "1"
        with pytest.raises(DataError, match="incomplete"), whole_results(tmp_path):
            pass
        assert not (tmp_path / "b").exists()
        write_files(folder, {"a": text("2"), "b": text("2")})
    assert files_of(tmp_path) == {"a": "2", "b": "2"}


def test_a_file_list_that_cannot_be_written_leaves_the_earlier_one(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("1")})
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            with pytest.raises(StorageError, match="No space left"):
                write_files(folder, {"a": text("2"), "b": text("2")})
        assert (tmp_path / "a").read_text() == "1"
        write_files(folder, {"a": text("3")})
    assert files_of(tmp_path) == {"a": "3"}


@pytest.mark.parametrize(
    "name",
    [".trajmodes.lock", ".trajmodes.files", ".trajmodes.files.new", ".trajmodes.staging"],
)
def test_links_of_hidden_names_are_not_followed(tmp_path, name):
    root = tmp_path / "results"
    root.mkdir()
    mine = tmp_path / "mine"
    if name.endswith("staging"):
        mine.mkdir()
        (mine / "a").write_text("keep")
    else:
        mine.write_text("keep")
    (root / name).symlink_to(mine)
    with (
        pytest.raises(StorageError, match=f"{name} could not be written") as caught,
        open_folder(root),
    ):
        pass
    assert "symbolic link" in caught.value.fix
    assert (mine / "a" if mine.is_dir() else mine).read_text() == "keep"


def test_a_link_made_while_the_folder_is_open_is_not_followed(tmp_path):
    root, mine = tmp_path / "results", tmp_path / "mine"
    mine.mkdir()
    (mine / "a").write_text("keep")
    with open_folder(root) as folder:
        (root / ".trajmodes.staging").symlink_to(mine)
        with pytest.raises(StorageError, match="could not be written"):
            write_files(folder, {"a": text("1")})
        (root / ".trajmodes.staging").unlink()
        (root / ".trajmodes.files.new").symlink_to(mine / "a")
        write_files(folder, {"a": text("1")})
    assert (mine / "a").read_text() == "keep"


def test_a_link_with_the_name_of_the_lock_is_not_opened(tmp_path):
    (tmp_path / "mine").write_text("keep")
    (tmp_path / "lock").symlink_to(tmp_path / "mine")
    with (
        pytest.raises(OSError, match="symbolic links"),
        storage.held_lock(tmp_path / "lock"),
    ):
        pass
    assert (tmp_path / "mine").read_text() == "keep"


def test_results_that_change_during_reading_are_refused(tmp_path):
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("1"), "b": text("1")})
        reading = whole_results(tmp_path / "a")
        reading.__enter__()
        write_files(folder, {"a": text("2"), "b": text("2")})
        with pytest.raises(DataError, match="the results changed while they were read"):
            reading.__exit__(None, None, None)


def test_a_file_in_a_folder_without_a_list_is_read(tmp_path):
    (tmp_path / "a").write_text("copied")
    with whole_results(tmp_path / "a"):
        assert (tmp_path / "a").read_text() == "copied"


def test_the_file_list_of_earlier_versions_is_read(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    (tmp_path / ".trajmodes.files").write_text('["a", "b"]')
    with whole_results(tmp_path):
        pass
    with open_folder(tmp_path) as folder:
        write_files(folder, {"a": text("2")})
    assert files_of(tmp_path) == {"a": "2"}


KILLED = """
import os, signal, sys
from pathlib import Path
from trajmodes.results.folder import Writer, open_folder, write_files

def text(content):
    return Writer("a text", lambda path: path.write_text(content))

# Every open, rename, removal and new folder of the interpreter passes this hook.
KINDS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}

def run(root, n):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event in KINDS and armed:
            count += 1
            if count == n:
                os.kill(os.getpid(), signal.SIGKILL)
    armed = True
    sys.addaudithook(hook)
    with open_folder(root) as folder:
        write_files(folder, {"a": text("new"), "sub/b": text("new"), "sub/d": text("new")})
    armed = False

base = Path(sys.argv[1])
n = 0
while True:
    n += 1
    root = base / str(n)
    with open_folder(root) as folder:
        write_files(folder, {"a": text("old"), "sub/b": text("old"), "c": text("old")})
    child = os.fork()
    if child == 0:
        run(root, n)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
print(n)
"""
OLD = {"a": "old", "sub/b": "old", "c": "old"}
NEW = {"a": "new", "sub/b": "new", "sub/d": "new"}


def state_of(root):
    """The results that a reader gets."""
    try:
        with whole_results(root):
            found = {
                str(path.relative_to(root)): path.read_text()
                for path in root.rglob("*")
                if path.is_file() and ".trajmodes" not in str(path.relative_to(root))
            }
    except DataError as error:
        return "refused" if "incomplete" in str(error) else "another error"
    assert found in (OLD, NEW)
    return "old" if found == OLD else "new"


def test_a_process_killed_at_any_step_never_mixes_results(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    n_steps = int(done.stdout)
    states = [state_of(tmp_path / str(n + 1)) for n in range(n_steps)]
    # First the old results, then an error, then the new results, each at several steps.
    assert states == sorted(states, key=["old", "refused", "new"].index)
    assert min(map(states.count, ("old", "refused", "new"))) > 2
    for n in range(n_steps):
        with open_folder(tmp_path / str(n + 1)) as folder:
            write_files(folder, {"a": text("next")})
        assert files_of(folder.path) == {"a": "next"}
        assert sorted(p.name for p in folder.path.iterdir()) == [".trajmodes.files", "a", "sub"]
