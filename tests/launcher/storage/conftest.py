from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.s3 import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with an empty bucket; the environment is what a user sets."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    for name, value in server.environment(str(tmp_path / "cache")).items():
        monkeypatch.setenv(name, value)
    server.start()
    server.fill()
    yield server
    server.start()
    server.empty()
