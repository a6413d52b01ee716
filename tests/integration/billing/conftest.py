"""The API daemon alone, without the three others, over a database that holds instances."""

import sys
import pathlib

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent)]

from lone_api import LoneApi  # noqa: E402  (the path above)


@pytest.fixture(scope="module")
def api():
    it = LoneApi()
    try:
        it.start()
        it.stop()
        it.add_fleet()
        it.start()
        it.stop()
        it.age(100)
        it.start()
        yield it
    finally:
        it.close()
