"""The API daemon and netd as they are, and namespaces as guests of instances that rows of the database tell of."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE), str(HERE / "billing"), str(HERE / "netd")]

from guests import House  # noqa: E402  (the path above)


@pytest.fixture(scope="module")
def house():
    it = House()
    try:
        it.start()
        yield it
    finally:
        it.close()
