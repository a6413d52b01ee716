"""An API daemon with a storaged for each test."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "billing"), str(HERE.parent)]

from daemons import Pair  # noqa: E402  (the path above)


@pytest.fixture
def pair():
    it = Pair()
    try:
        it.start()
        yield it
    finally:
        it.close()
