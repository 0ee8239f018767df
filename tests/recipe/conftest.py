"""What the tests of recipes share."""

import pytest

from laconic.base.measures import Measure
from laconic.base.records import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage(
        "prune: {sparsity: 0.5}", ({"layer": "fc", "kept": 3},), 0.5, Measure(10, "bytes", "length"), Measure(97.25, "%", "top-1", 300, 0.1)
    )
