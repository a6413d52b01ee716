import pytest

from netlab import World


@pytest.fixture(scope="session")
def world():
    w = World()
    try:
        w.start()
        yield w
    finally:
        w.close()
