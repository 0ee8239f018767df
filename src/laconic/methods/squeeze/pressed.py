"""A model under pressure: its latent weights, and what their integers cost."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from laconic.methods.squeeze.latent import Latent
from laconic.methods.squeeze.rate import Rate
from laconic.methods.squeeze.steering import Schedule
from laconic.nn.checks import at_home
from laconic.nn.holding import Held


class Pressed(nn.Module):
    """What trains. Everything that the next step depends on is in its state dict.

    Args:
        held: the model, each weight of `names` in a `Latent`.
        names: of the weights that are pressed.
    """

    price: Tensor
    level: Tensor
    overhead: Tensor
    size: Tensor

    def __init__(self, held: Held, names: list[str]) -> None:
        super().__init__()
        self.model, self.rate = held.module, Rate()
        self._held, self._names = held, names
        for name, (holder, latent) in zip(names, self._pairs(), strict=True):
            latent.data = holder.latent(held.plain.get_parameter(name))  # a parametrization keeps the type of the weight
        for name, value in (("price", 0.0), ("level", 0.0), ("overhead", 0.0), ("size", 1.0)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.model(at_home(self._held.plain, inputs))
        return outputs

    def cost(self) -> Tensor:
        """Estimated bytes, with a gradient."""
        pairs = list(self._pairs())
        return self.rate.cost([holder.steps(latent) for holder, latent in pairs], [holder.context for holder, _ in pairs])

    def refit(self) -> float:
        """Learn anew what integers cost; returns the estimate of the coded integers in bytes."""
        integers = [holder.integers(latent) for holder, latent in self._pairs()]
        classes = [Rate.classes(own) for own in integers]
        for (holder, _), own in zip(self._pairs(), classes, strict=True):
            holder.context.copy_(own)
        return self.rate.fit(classes, integers)

    def weigh(self) -> float:
        """Refit, and note the bytes of the whole file, about."""
        self.size.fill_(max(self.refit() + float(self.overhead), 1.0))
        return float(self.size)

    def start(self, schedule: Schedule) -> None:
        """The price of the first steps."""
        self.level.fill_(schedule.first())
        self.price.copy_(self.level)

    def steer(self, schedule: Schedule, progress: float) -> None:
        """Weigh, and set the price of the file's bytes by what they should be by now."""
        self.weigh()
        self.level.fill_(schedule.level(float(self.level), float(self.size), progress))
        self.price.fill_(schedule.price(float(self.level), float(self.size), progress))
        self.widen(schedule.dead_zone(self.dead_zone(), float(self.size), progress))

    def widen(self, dead_zone: float) -> None:
        """Let every latent below `dead_zone` steps be a zero."""
        for holder, _ in self._pairs():
            holder.dead_zone.fill_(dead_zone)

    def dead_zone(self) -> float:
        """In steps; the same everywhere."""
        return float(next(self._pairs())[0].dead_zone)

    def largest(self) -> float:
        """The greatest latent, in steps."""
        return max(float(holder.steps(latent).detach().abs().max()) for holder, latent in self._pairs())

    def _pairs(self) -> Iterator[tuple[Latent, Tensor]]:
        """What holds each pressed weight, and the latent that trains in it."""
        for name in self._names:
            holder, latent = self._held.holder(name)
            assert isinstance(holder, Latent)
            yield holder, latent
