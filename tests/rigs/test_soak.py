"""Short version of the soak test run by `make soak`."""

import pytest

from bench import soak


@pytest.mark.slow
def test_short_soak_finds_no_faults():
    assert soak.run(1.5) == []
