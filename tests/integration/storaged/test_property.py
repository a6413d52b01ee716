"""A part of model.py's random operations, other ones in each run; a failure says which seed it was."""

import random

import pytest

import model

SEEDS, OPERATIONS = 2, 60


@pytest.mark.parametrize("number", range(SEEDS))
def test_operations(number):  # pylint: disable=unused-argument
    seed, lines = random.SystemRandom().randrange(1 << 31), []
    try:
        done = model.run_seed(seed, OPERATIONS, lines.append)
    except BaseException as e:
        raise AssertionError(f"model.py --first {seed} --seeds 1 --operations {OPERATIONS}:\n" +
                             "\n".join(lines[-80:])) from e
    assert sum(done.values()) == OPERATIONS
