"""A short soak; the long one is `make soak`."""

import pytest

from bench import soak


@pytest.mark.slow
def test_it_lasts():
    assert soak.run(1.5) == []
