"""ShuffleNet at other widths: its channels are shared out among the groups at every one."""

import pytest
import torch
from torch import nn

from laconic.base.errors import ModelError
from laconic.profile import count
from laconic.zoo.shufflenet_v1 import STAGES, WIDTHS, ShuffleNetV1, table
from laconic.zoo.stages import Stage, scaled


@pytest.mark.parametrize("width", [0.25, 0.35, 0.5, 0.75, 1.5, 2])
@pytest.mark.parametrize("groups", WIDTHS)
def test_every_width_can_be_had_with_every_number_of_groups(groups: int, width: float) -> None:
    with torch.device("meta"):
        network = ShuffleNetV1(7, (3, 32, 32), width=width, rows=table(groups)).eval()
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert 0.9 <= network.classifier.in_features / (WIDTHS[groups] * 4 * width) <= 1.12


@pytest.mark.parametrize(("width", "channels"), [(0.5, [12, 120, 240, 480]), (1.5, [36, 360, 720, 1440]), (2, [48, 480, 960, 1920])])
def test_three_groups_need_no_rounding(width: float, channels: list[int]) -> None:
    assert [row.width for row in scaled(STAGES, width) if isinstance(row, Stage)] == channels


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_half_the_width_costs_what_the_paper_says(groups: int) -> None:
    """38 million, table 2."""
    with torch.device("meta"):
        found = count(ShuffleNetV1(width=0.5, rows=table(groups)), (3, 224, 224))
    assert found.macs / 1e6 == pytest.approx(38, rel=0.03)


@pytest.mark.parametrize(("width", "millions"), [(0.5, 37.6), (0.25, 11.0)])
def test_narrow_networks_cost_what_the_heading_says(width: float, millions: float) -> None:
    with torch.device("meta"):
        found = count(ShuffleNetV1(width=width), (3, 224, 224))
    assert found.macs / 1e6 == pytest.approx(millions, abs=0.05)


def test_channels_that_make_no_groups_are_refused() -> None:
    rows = [row if not isinstance(row, Stage) else Stage(width=row.width + 1, block=row.block) for row in STAGES[:1]]
    with torch.device("meta"), pytest.raises(ModelError, match="make no 3 groups"):
        ShuffleNetV1(rows=(*rows, *STAGES[1:]))
    assert isinstance(ShuffleNetV1(rows=STAGES[:3]), nn.Module)
