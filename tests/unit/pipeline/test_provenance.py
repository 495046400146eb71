import hashlib
import os
import time
from threading import Event

import pytest

from trajmodes.errors import DataError
from trajmodes.pipeline.job_folder import _describe, _describe_file, input_files


def test_input_files_are_recorded_by_name_size_and_hash(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    (tmp_path / "b").write_bytes(b"d")
    with input_files([tmp_path / "a", tmp_path / "b"]) as hashes:
        first, second = hashes.result()
    digest = hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    assert first == ("a", 3_000_000, digest, False)
    assert second == ("b", 1, hashlib.sha256(b"d").hexdigest(), False)


def test_the_digest_of_a_file_that_grows_is_that_of_its_beginning(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with input_files([path]) as hashes:
        hashes.result()
    before = _describe_file(path, 3, Event())
    path.write_bytes(b"abcdef")
    after = _describe_file(path, 3, Event())
    assert before == hashes.result()[0]
    assert after == before._replace(has_grown=True)


def test_a_file_that_is_replaced_before_it_is_hashed_is_an_error(tmp_path, monkeypatch) -> None:
    """Its digest would be that of another file than the results are of."""
    path, begin = tmp_path / "a", Event()
    path.write_bytes(b"abc")

    def later(*given):
        begin.wait(10)
        return _describe(*given)

    monkeypatch.setattr("trajmodes.pipeline.job_folder._describe", later)
    with input_files([path]) as hashes:
        path.unlink()
        path.write_bytes(b"abd")
        begin.set()
        with pytest.raises(DataError, match="has changed"):
            hashes.result()


def test_an_error_does_not_wait_for_the_hash(tmp_path) -> None:
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 50_000_000_000)  # sparse: no disk space, but a minute to hash
    start = time.perf_counter()
    with pytest.raises(ValueError, match="stop"), input_files([path]):
        raise ValueError("stop")
    assert time.perf_counter() - start < 5.0
