import hashlib
import os
import time

import pytest

from trajmodes.pipeline.job_folder import input_files


def test_input_files_are_recorded_by_name_size_and_hash(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    (tmp_path / "b").write_bytes(b"")
    with input_files([tmp_path / "a", tmp_path / "b"]) as hashes:
        first, second = hashes.result()
    digest = hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    assert first == ("a", 3_000_000, digest)
    assert second == ("b", 0, hashlib.sha256(b"").hexdigest())


def test_an_error_does_not_wait_for_the_hash(tmp_path) -> None:
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 50_000_000_000)  # sparse: no disk space, but a minute to hash
    start = time.perf_counter()
    with pytest.raises(ValueError, match="stop"), input_files([path]):
        raise ValueError("stop")
    assert time.perf_counter() - start < 5.0
