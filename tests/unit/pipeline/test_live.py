"""Frames received from a simulation: what is recorded, and how it ends."""

import errno
import io
import os
import signal
import socket
import struct
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import trajmodes.pipeline.live.recorder
import trajmodes.pipeline.live.watch
import trajmodes.pipeline.live.writer
from simulations.imd import (
    DISCONNECT,
    KILL,
    PAUSE,
    RESUME,
    Simulation,
    endless,
    frame,
    obedient,
    sending,
    start,
)
from trajmodes.config.job import job_of
from trajmodes.config.live import LiveOptions
from trajmodes.errors import (
    DataError,
    LockedError,
    StorageError,
    TrajmodesWarning,
    UsageError,
)
from trajmodes.formats.open import open_trajectory
from trajmodes.pipeline.job_folder import Written
from trajmodes.pipeline.live.conditions import most_of
from trajmodes.pipeline.live.growth import Growth
from trajmodes.pipeline.live.job import live_job
from trajmodes.pipeline.live.recorder import Recorder
from trajmodes.pipeline.live.writer import Writer
from trajmodes.readers.imd.client import Client, address_of
from trajmodes.readers.imd.protocol import Packet
from trajmodes.units import THZ

BOX = np.diag([9.0, 9.0, 9.0])
VECTORS = np.random.default_rng(1).normal(size=(3, 5, 3)).astype("f4")


def frames(*steps, order="<", n_atoms=5):
    return [frame(step, VECTORS[:, :n_atoms], BOX, order) for step in steps]


def record(simulation, path, *, wait_s=0.4, **more) -> Recorder:
    """A recorder that has ended."""
    recorder = Recorder(Client(address_of(simulation.address), wait_s=wait_s), path, **more)
    recorder.start()
    recorder.join(20.0)
    assert not recorder.is_alive()
    return recorder


@pytest.mark.parametrize("order", "<>")
def test_the_recording_has_the_bytes_that_were_sent(tmp_path, order):
    sent = frames(*range(20), order=order)
    found = record(Simulation(sending(*sent, first=start(order))), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == start(order) + b"".join(sent)
    assert (found.n_frames, found.ending, found.error) == (20, "the simulation ended", None)


def test_bytes_that_come_one_by_one_make_the_same_frames(tmp_path):
    data = b"".join(frames(0, 1))
    pieces = [data[k : k + 3] for k in range(0, len(data), 3)]
    found = record(Simulation(sending(*pieces, pause_s=0.001)), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == start() + data
    assert found.n_frames == 2


def test_an_incomplete_frame_is_left_out_and_the_connection_made_again(tmp_path):
    first, second = frames(0, 10, 20), frames(50, 60)
    cut = b"".join(first)[:-7]
    found = record(Simulation(sending(cut), sending(*second)), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == start() + b"".join([*first[:2], *second])
    assert found.n_frames == 4
    assert found.ending == "the simulation ended"


def test_another_simulation_on_the_port_is_not_recorded(tmp_path):
    one, other = (
        sending(*frames(0, 1)),
        sending(*frames(2), first=start(flags=[1, 1] * 3 + [1])),
    )
    found = record(Simulation(one, other), tmp_path / "a")
    assert (found.n_frames, found.ending) == (2, "another simulation answers")


def test_frames_without_time_are_not_continued_after_a_gap(tmp_path):
    """Nothing in the recording would show it."""
    first, sent = start(flags=(0, 0, 1, 1, 0, 1, 1)), [one[32:] for one in frames(0, 1, 9)]
    one, other = sending(*sent[:2], first=first), sending(*sent[2:], first=first)
    found = record(Simulation(one, other), tmp_path / "a")
    assert (found.n_frames, found.error) == (2, None)
    assert "the connection was lost" in found.ending
    assert (tmp_path / "a").read_bytes() == first + b"".join(sent[:2])


@pytest.mark.parametrize("answer", [b"", start()[:9], b"HTTP/1.1 400 Bad Request"])
def test_what_answers_in_place_of_the_simulation_is_its_end(tmp_path, answer):
    """A tunnel to a computer whose simulation has ended closes each new connection at once."""
    one = sending(*frames(0, 1))
    found = record(Simulation(one, lambda client: client.sendall(answer)), tmp_path / "a")
    assert (found.n_frames, found.ending, found.error) == (2, "the simulation ended", None)
    assert (tmp_path / "a").read_bytes() == start() + b"".join(frames(0, 1))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (frames(1), "after step 1 the simulation sends step 1"),
        (frames(5, n_atoms=4), "now sends 4 atoms, not 5"),
        ([b"\xff" * 500], "is where positions of atoms are expected"),
    ],
)
def test_frames_of_another_simulation_are_an_error(tmp_path, second, message):
    found = record(Simulation(sending(*frames(0, 1)), sending(*second)), tmp_path / "a")
    with pytest.raises(DataError, match=message):
        raise found.error
    assert (tmp_path / "a").read_bytes() == start() + b"".join(frames(0, 1))


def test_damage_within_a_connection_is_an_error_that_names_the_frame(tmp_path):
    good, bad = frames(0, 1, 2), bytearray(frames(3)[0])
    bad[80:84] = struct.pack(">i", 6)
    found = record(Simulation(sending(*good, bytes(bad), *frames(4))), tmp_path / "a")
    with pytest.raises(DataError, match="a packet of positions has the header"):
        raise found.error
    data = (tmp_path / "a").read_bytes()
    assert data == start() + b"".join(good)
    assert "frame 3" in str(found.error)


@pytest.mark.parametrize("lost", [1, 12, 40])
def test_lost_bytes_are_an_error_before_the_frame_is_complete(tmp_path, lost):
    """Also in the last one: the next frame, which would complete it, never comes."""
    good, whole = frames(0, 1, 2), frames(3)[0]
    within_positions = 100
    damaged = whole[:within_positions] + whole[within_positions + lost :]
    found = record(Simulation(sending(*good, damaged, pause_s=0.02)), tmp_path / "a")
    with pytest.raises(DataError, match=r"a packet of velocities has the header .*frame 3"):
        raise found.error
    assert (tmp_path / "a").read_bytes() == start() + b"".join(good)


def test_no_more_frames_are_kept_than_asked_for(tmp_path):
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left))
    found = record(simulation, tmp_path / "a", most=37)
    simulation.join(5.0)
    assert (found.n_frames, found.ending, left) == (37, "frames 37", [DISCONNECT])
    assert len((tmp_path / "a").read_bytes()) == len(start()) + 37 * len(frames(0)[0])


@pytest.mark.parametrize(
    ("packet", "sent"), [(Packet.DISCONNECT, DISCONNECT), (Packet.KILL, KILL)]
)
def test_the_simulation_is_asked_to_end_before_the_connection_is_closed(tmp_path, packet, sent):
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left))
    recorder = Recorder(Client(address_of(simulation.address), wait_s=5.0), tmp_path / "a")
    recorder.start()
    while recorder.n_frames < 10:
        time.sleep(0.01)
    recorder.stop(packet)
    simulation.join(5.0)
    assert (left, recorder.ending) == ([sent], "stopped")


def recorder_of(simulation, path, **more) -> Recorder:
    recorder = Recorder(Client(address_of(simulation.address), wait_s=5.0), path, **more)
    recorder.start()
    return recorder


def until(condition):
    """Wait for it; at most 10 s."""
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_paused_simulation_makes_no_steps_until_it_is_resumed(tmp_path):
    heard: list[int] = []
    simulation = Simulation(obedient(lambda t: frames(t)[0], heard))
    recorder = recorder_of(simulation, tmp_path / "a")
    until(lambda: recorder.n_frames > 10)
    recorder.pause()
    until(lambda: recorder.is_paused)
    time.sleep(0.1)
    before = recorder.n_frames
    time.sleep(0.5)
    assert recorder.n_frames == before
    recorder.resume()
    until(lambda: recorder.n_frames > before)
    recorder.stop(Packet.DISCONNECT)
    simulation.join(5.0)
    assert heard == [PAUSE, RESUME, DISCONNECT]
    whole = b"".join(frames(*range(recorder.n_frames)))
    assert (tmp_path / "a").read_bytes() == start() + whole


class Slow:
    """A file on a disk that takes no data for some time."""

    def __init__(self, file):
        self.file, self.is_ready = file, threading.Event()

    def write(self, data):
        self.is_ready.wait(20.0)
        return self.file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.file.close()


def test_a_simulation_that_is_faster_than_the_disk_is_paused(tmp_path, monkeypatch):
    heard: list[int] = []
    size = len(frames(0)[0])
    monkeypatch.setattr(trajmodes.pipeline.live.writer, "_PAUSE_AT", 40 * size)
    monkeypatch.setattr(trajmodes.pipeline.live.writer, "_RESUME_AT", 10 * size)
    simulation = Simulation(obedient(lambda t: frames(t)[0], heard))
    client = Client(address_of(simulation.address), wait_s=5.0)
    recorder = Recorder(client, tmp_path / "a", most=300)
    slow = recorder._writer._file = Slow(recorder._writer._file)
    recorder.start()
    until(lambda: recorder.is_paused)
    assert recorder.n_frames == 0
    slow.is_ready.set()
    recorder.join(20.0)
    simulation.join(5.0)
    # The disk may fall behind again and again.
    *before, last = heard
    assert before[:2] == [PAUSE, RESUME]
    assert before == ([PAUSE, RESUME] * len(before))[: len(before)]
    assert last == DISCONNECT
    assert (tmp_path / "a").read_bytes() == start() + b"".join(frames(*range(300)))


def test_frames_that_wait_for_the_disk_have_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(trajmodes.pipeline.live.writer, "MOST_BYTES", 1000)
    with (tmp_path / "a").open("wb", buffering=0) as file:
        writer = Writer(tmp_path / "a", Slow(file))
        writer.start()
        others = threading.Thread(
            target=lambda: [writer.put(bytes(100), 100) for _ in range(50)]
        )
        others.start()
        others.join(0.3)
        # Ten that wait, and those that are being written.
        assert others.is_alive()
        assert writer._n_waiting <= 1000
        writer._file.is_ready.set()
        others.join(5.0)
        writer.close()
    assert (writer.n_frames, (tmp_path / "a").stat().st_size) == (50, 5000)


def test_a_simulation_is_held_until_it_is_resumed(tmp_path):
    heard: list[int] = []
    simulation = Simulation(obedient(lambda t: frames(t)[0], heard))
    recorder = recorder_of(simulation, tmp_path / "a", most=20, then=Packet.PAUSE)
    recorder.join(10.0)
    assert (recorder.n_frames, recorder.is_paused) == (20, True)
    threading.Timer(0.5, recorder.resume).start()
    begin = time.monotonic()
    recorder.hold()
    assert time.monotonic() - begin > 0.4
    assert simulation.is_alive()
    recorder.release()
    simulation.join(5.0)
    assert heard == [PAUSE, DISCONNECT]


def test_a_simulation_that_ends_is_held_no_longer(tmp_path):
    def session(client):
        sending(*frames(*range(20)))(client)
        client.recv(8)
        time.sleep(0.3)

    recorder = recorder_of(Simulation(session), tmp_path / "a", most=20, then=Packet.PAUSE)
    recorder.join(10.0)
    begin = time.monotonic()
    recorder.hold()
    assert time.monotonic() - begin < 3.0
    recorder.release()


def silent(_client: socket.socket) -> None:
    time.sleep(1.0)


@pytest.mark.parametrize(
    ("session", "error", "message"),
    [
        (silent, UsageError, "it sends nothing"),
        (lambda _client: None, DataError, "the connection ends after 0 bytes"),
        (lambda client: client.sendall(start()[:9]), DataError, "ends after 9 bytes"),
        (sending(first=start(version=2)), DataError, "version 2 of IMD"),
    ],
)
def test_what_is_no_simulation_is_an_error_soon(tmp_path, session, error, message):
    client = Client(address_of(Simulation(session).address), wait_s=0.4)
    begin = time.monotonic()
    with pytest.raises(error, match=message):
        Recorder(client, tmp_path / "a")
    assert time.monotonic() - begin < 3.0
    assert not (tmp_path / "a").exists()


def test_a_port_that_nobody_listens_to_is_an_error_soon(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = address_of(f"imd://127.0.0.1:{unused.getsockname()[1]}")
    with pytest.raises(UsageError, match="no simulation answers within"):
        Recorder(Client(address, wait_s=0.6), tmp_path / "a")


def test_an_attempt_to_connect_again_is_given_up_when_asked(tmp_path):
    simulation = Simulation(sending(*frames(0)))
    recorder = Recorder(Client(address_of(simulation.address), wait_s=60.0), tmp_path / "a")
    recorder.start()
    while not recorder.is_waiting:
        time.sleep(0.01)
    begin = time.monotonic()
    recorder.stop(Packet.DISCONNECT)
    assert time.monotonic() - begin < 3.0
    assert threading.active_count() < 20


def test_an_existing_recording_is_not_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"precious")
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left))
    with pytest.raises(UsageError, match="the recording exists"):
        Recorder(Client(address_of(simulation.address), wait_s=5.0), tmp_path / "a")
    simulation.join(5.0)
    assert left == [DISCONNECT]
    assert (tmp_path / "a").read_bytes() == b"precious"


def test_a_recording_that_cannot_be_begun_is_not_left(tmp_path, monkeypatch):
    class Full(io.FileIO):
        """A file on a full disk."""

        def write(self, _data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda path, mode, **_more: Full(path, mode))
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left))
    with pytest.raises(StorageError, match="a could not be written"):
        Recorder(Client(address_of(simulation.address), wait_s=5.0), tmp_path / "a")
    simulation.join(5.0)
    assert left == [DISCONNECT]
    assert not (tmp_path / "a").exists()


def results_of(n_frames: int) -> SimpleNamespace:
    """Results whose errors are those of so many frames."""
    error = 1.0 / np.sqrt(n_frames)
    energies = SimpleNamespace(temperature_sem=10.0 * error)
    widths = np.array([np.nan, 2.0, 2.0, 4.0])
    lines = SimpleNamespace(linewidth=widths, linewidth_sem=error * np.ones(4))
    return SimpleNamespace(
        run_length=SimpleNamespace(worst=error * THZ),
        projection=SimpleNamespace(energies=energies, lines=lines),
    )


@pytest.fixture
def analysed(monkeypatch):
    """Numbers of frames of all analyses, which take no time here."""
    found: list[int] = []

    def run_job(job, **_more):
        n_frames = open_trajectory(job.trajectory, job.reading).n_frames
        found.append(n_frames)
        if n_frames < 20:
            raise DataError("too few frames")
        return Written(results_of(n_frames), {})

    # Each analysis is one of the whole recording.
    monkeypatch.setattr(Growth, "is_possible", False)
    monkeypatch.setattr(trajmodes.pipeline.live.watch, "run_job", run_job)
    return found


def watch(simulation, folder, chosen=None, *, strict=False, **options):
    given = {"output": str(folder), "units": "metal", "frames": chosen or (0, None, 1)}
    given["strict"] = strict
    job = job_of("live", [simulation.address], given)
    given = LiveOptions(renew=0.1, wait=2.0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajmodesWarning)
        return live_job(job, given, command="live")


@pytest.mark.parametrize(
    ("condition", "least"),
    [("frequency 0.1 THz", 100), ("temperature 1 K", 100), ("linewidth 5 %", 100)],
)
def test_the_results_of_enough_frames_end_the_simulation(tmp_path, analysed, condition, least):
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left, pause_s=0.005))
    done = watch(simulation, tmp_path, until=condition, then="kill")
    simulation.join(5.0)
    assert left == [KILL]
    assert done.ending == condition
    assert analysed == sorted(set(analysed))
    assert len(analysed) > 1
    assert all(n < least for n in analysed[:-2])
    assert done.n_frames == analysed[-1] >= least


def test_a_number_of_frames_ends_it_exactly_and_it_continues(tmp_path, analysed):
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left))
    done = watch(simulation, tmp_path, until="frequency 1e-5 THz, frames 300")
    simulation.join(5.0)
    assert (left, done.n_frames, done.ending) == ([DISCONNECT], 300, "frames 300")
    assert analysed[-1] == 300


@pytest.mark.usefixtures("analysed")
def test_a_number_of_frames_kills_it_where_this_is_asked_for(tmp_path):
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left))
    watch(simulation, tmp_path, until="frames 100", then="kill")
    simulation.join(5.0)
    assert left == [KILL]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signals")
@pytest.mark.usefixtures("analysed")
def test_signals_pause_the_simulation_and_let_it_go(tmp_path):
    heard: list[int] = []
    simulation = Simulation(obedient(lambda t: frames(t)[0], heard))

    def steer():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGUSR1)
        until(lambda: heard == [PAUSE])
        os.kill(os.getpid(), signal.SIGUSR2)
        until(lambda: heard == [PAUSE, RESUME, PAUSE])
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGUSR2)

    thread = threading.Thread(target=steer)
    thread.start()
    done = watch(simulation, tmp_path, until="minutes 0.04", then="pause")
    thread.join()
    simulation.join(5.0)
    assert done.ending == "minutes 0.04"
    assert heard == [PAUSE, RESUME, PAUSE, DISCONNECT]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_minutes_end_it(tmp_path, analysed):
    simulation = Simulation(endless(lambda t: frames(t)[0], [], pause_s=0.005))
    done = watch(simulation, tmp_path, until="minutes 0.01")
    assert done.ending == "minutes 0.01"
    assert analysed[-1] == done.n_frames


def test_too_few_frames_are_an_error_at_the_end_alone(tmp_path, analysed):
    simulation = Simulation(endless(lambda t: frames(t)[0], [], pause_s=0.05))
    with pytest.raises(DataError, match="too few"):
        watch(simulation, tmp_path, until="frames 12")
    assert len(analysed) > 1


def test_a_frame_that_is_being_written_is_no_fault(tmp_path, analysed, monkeypatch):
    class InParts(io.FileIO):
        """A recording that nearly always ends within a frame."""

        def write(self, data):
            written = super().write(data[: max(1, len(data) // 3)])
            time.sleep(0.01)
            return written

    def created(path, first):
        path.write_bytes(first)
        return InParts(path, "ab")

    monkeypatch.setattr(trajmodes.pipeline.live.recorder, "_created", created)
    simulation = Simulation(endless(lambda t: frames(t)[0], [], pause_s=0.005))
    given = {"output": str(tmp_path), "units": "metal", "strict": True}
    job = job_of("live", [simulation.address], given)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrajmodesWarning)
        warnings.filterwarnings("ignore", ".*too few frames")
        live_job(job, LiveOptions(renew=0.1, wait=2.0, until="frames 150"), command="live")
    assert len([n for n in analysed if n >= 20]) > 3


@pytest.mark.parametrize("strict", [True, False])
def test_a_simulation_that_ends_within_a_frame_is_a_fault_if_it_is_to_be(
    tmp_path, analysed, strict
):
    *whole, last = frames(*range(31))
    simulation = Simulation(sending(b"".join(whole) + last[:100]))
    if strict:
        with pytest.raises(
            DataError, match=r"number 30\) is not complete: 100 bytes"
        ) as raised:
            watch(simulation, tmp_path, strict=True)
        assert "the 30 frames received are in" in raised.value.fix
    else:
        assert watch(simulation, tmp_path).n_frames == analysed[-1] == 30
    size = len(start()) + 30 * len(last)
    assert (tmp_path / "stream.imd").stat().st_size == size


@pytest.mark.usefixtures("analysed")
@pytest.mark.parametrize("until", ["frames 40", "minutes 0.01"])
def test_a_simulation_that_is_left_within_a_frame_is_no_fault(tmp_path, until):
    sent = b"".join(frames(*range(200)))
    # No piece ends with a frame.
    size = len(sent) // 200 * 3 // 2 + 1
    simulation = Simulation(
        endless(lambda t: sent[t * size : (t + 1) * size], [], pause_s=0.008)
    )
    assert watch(simulation, tmp_path, strict=True, until=until).n_frames > 20


def test_frames_that_are_left_out_are_waited_for(tmp_path, analysed):
    simulation = Simulation(endless(lambda t: frames(t)[0], [], pause_s=0.005))
    done = watch(simulation, tmp_path, chosen=(100, None, 1), until="frames 200")
    assert (done.n_frames, analysed[-1]) == (200, 100)
    simulation = Simulation(sending(*frames(*range(30))))
    with pytest.raises(UsageError, match=r"frames 100: are requested, but there are 30"):
        watch(simulation, tmp_path / "b", chosen=(100, None, 1))


def test_a_locked_folder_is_tried_again(tmp_path, monkeypatch):
    found: list[int] = []

    def run_job(_job, **_more):
        found.append(len(found))
        if len(found) == 1:
            raise LockedError("another process writes to this results folder")
        return Written(results_of(100), {})

    monkeypatch.setattr(Growth, "is_possible", False)
    monkeypatch.setattr(trajmodes.pipeline.live.watch, "run_job", run_job)
    simulation = Simulation(endless(lambda t: frames(t)[0], [], pause_s=0.02))
    assert watch(simulation, tmp_path, until="frames 60").n_frames == 60
    assert len(found) > 1


def test_a_full_disk_of_the_results_leaves_the_simulation_and_all_frames(tmp_path, monkeypatch):
    def run_job(_job, **_more):
        raise StorageError("results.nc could not be written")

    monkeypatch.setattr(Growth, "is_possible", False)
    monkeypatch.setattr(trajmodes.pipeline.live.watch, "run_job", run_job)
    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left, pause_s=0.01))
    with pytest.raises(StorageError, match=r"results.nc could not be written") as raised:
        watch(simulation, tmp_path)
    simulation.join(5.0)
    assert left == [DISCONNECT]
    data = (tmp_path / "stream.imd").read_bytes()
    n_frames = (len(data) - len(start())) // len(frames(0)[0])
    assert data == start() + b"".join(frames(*range(n_frames)))
    assert "frames received are in" in raised.value.fix


@pytest.mark.parametrize(
    ("flags", "constants", "missing"),
    [
        ((1, 0, 1, 0, 0, 1, 1), None, "no positions"),
        ((1, 0, 1, 0, 0, 0, 1), "fc", "no positions"),
        ((1, 0, 0, 1, 0, 1, 1), None, "no box"),
        ((1, 0, 0, 1, 0, 1, 1), "fc", "no box"),
    ],
)
def test_frames_that_lack_what_is_needed_are_refused_at_once(
    tmp_path, flags, constants, missing
):
    left: list[int] = []
    simulation = Simulation(endless(lambda _t: b"", left, first=start(flags=flags)))
    given = {"output": str(tmp_path / "a"), "units": "metal", "force_constants": constants}
    job = job_of("live", [simulation.address], given)
    with pytest.raises(DataError, match=rf"sends {missing} \(imd://"):
        live_job(job, LiveOptions(wait=2.0), command="live")
    simulation.join(5.0)
    assert left == [DISCONNECT]
    assert not (tmp_path / "a" / "stream.imd").exists()


@pytest.mark.usefixtures("analysed")
def test_an_error_names_the_frames_before_it(tmp_path):
    simulation = Simulation(sending(*frames(*range(30)), *frames(3)))
    with pytest.raises(DataError, match=r"\(frame 30\)") as raised:
        watch(simulation, tmp_path)
    assert "the 30 frames received are in" in raised.value.fix


def test_a_later_failure_is_not_concealed_by_earlier_results(tmp_path, monkeypatch):
    found: list[int] = []

    def run_job(_job, **_more):
        found.append(len(found))
        if len(found) > 1:
            raise DataError("an atom has left its site")
        return Written(results_of(100), {})

    monkeypatch.setattr(Growth, "is_possible", False)
    monkeypatch.setattr(trajmodes.pipeline.live.watch, "run_job", run_job)
    simulation = Simulation(endless(lambda t: frames(t)[0], [], pause_s=0.02))
    with pytest.raises(DataError, match="left its site") as raised:
        watch(simulation, tmp_path, until="frames 60")
    assert "the 60 frames received are in" in raised.value.fix


def test_a_simulation_that_sends_nothing_is_named(tmp_path, analysed):
    def session(client):
        sending(*frames(0, 1))(client)
        time.sleep(0.9)
        client.sendall(b"".join(frames(*range(2, 30))))

    given = {"output": str(tmp_path), "units": "metal"}
    job = job_of("live", [Simulation(session).address], given)
    with pytest.warns(TrajmodesWarning, match="has sent nothing for 0.4 s: still waiting"):
        done = live_job(job, LiveOptions(wait=0.4, renew=50.0), command="live")
    assert done.n_frames == 30
    assert analysed[-1] == 30


def test_a_full_disk_keeps_whole_frames(tmp_path):
    class Full:
        """A file on a disk with little space."""

        def __init__(self, file):
            self.file, self.left = file, 3000

        def write(self, data):
            written = self.file.write(data[: self.left])
            self.left -= written
            if written < len(data) and self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return written

        def truncate(self, size):
            self.file.truncate(size)

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            self.file.close()

    left: list[int] = []
    simulation = Simulation(endless(lambda t: frames(t)[0], left))
    recorder = Recorder(Client(address_of(simulation.address), wait_s=5.0), tmp_path / "a")
    recorder._writer._file = Full(recorder._writer._file)
    recorder.start()
    recorder.join(20.0)
    simulation.join(5.0)
    assert left == [DISCONNECT]
    with pytest.raises(StorageError, match="No space left"):
        raise recorder.error
    size = len(frames(0)[0])
    whole = start() + b"".join(frames(*range(recorder.n_frames)))
    assert (tmp_path / "a").read_bytes() == whole
    assert recorder.n_frames < 3000 // size + 1


def test_conditions_are_parsed():
    options = LiveOptions(until="frequency 0.02 THz, linewidth 10%, frames 50, frames 40")
    assert options.until[:2] == (("frequency", 0.02), ("linewidth", 10.0))
    assert most_of(options.until, "frames") == 40
    assert most_of(options.until, "minutes") == np.inf


@pytest.mark.parametrize(
    "text", ["frequency 0.02", "frames 1.5", "energy 1 eV", "frames -1", "minutes", ""]
)
def test_other_conditions_are_refused(text):
    with pytest.raises(UsageError, match="must be conditions such as"):
        LiveOptions(until=text)
