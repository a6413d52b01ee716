"""A storaged of its own for each test."""

import pathlib
import shutil
import tempfile

import pytest

from storaged_daemon import Storaged


@pytest.fixture
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="st", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def storaged(directory):
    it = Storaged(directory)
    it.start()
    yield it
    it.stop()
