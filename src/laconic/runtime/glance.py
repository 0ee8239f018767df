"""Whether another engine runs a file clearly faster than ONNX Runtime: a glance, where the tournament takes a long look."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from laconic.artifact import Artifact
from laconic.base.errors import GraphError
from laconic.base.latency import clock, ratio
from laconic.base.measures import Measure
from laconic.runtime.engines import Choice, choices
from laconic.runtime.session import Session

CLEARLY, OFTEN = 1.2, 0.75  # times as fast, in that share of the rounds
GLANCES = 15  # rounds
FAR = 0.02  # of the range of the outputs: what differs by more is another network

Better = tuple[Choice, Measure]
"""An engine, and how many times as fast as ONNX Runtime it is."""


def clearly_faster(artifact: Artifact, default: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> Better | None:
    """The fastest in fp32 on one thread; None where none is clearly faster.

    Args:
        artifact: with a graph.
        default: its session in ONNX Runtime.
        inputs: of one call, `(n, …)`.
    """
    return max(_clearly_faster(artifact, default, inputs), key=lambda better: better[1].value, default=None)


def _clearly_faster(artifact: Artifact, default: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> Iterator[Better]:
    """One engine after the other; those that refuse the graph or compute something else are out."""
    wanted = default(inputs)
    for choice in choices():
        if choice.engine == Choice().engine or choice.precision != "fp32":
            continue
        try:
            session = Session(artifact, choice=choice)
            outputs = session(inputs)
        except GraphError:
            continue
        if np.allclose(outputs, wanted, rtol=0, atol=FAR * float(np.ptp(wanted) or np.abs(wanted).max())):
            runs = {"onnxruntime": partial(default, inputs), choice.engine: partial(session, inputs)}
            slow, fast = clock(runs, GLANCES).values()
            if np.quantile(np.divide(slow, fast), 1 - OFTEN) > CLEARLY:
                yield choice, ratio(slow, fast, "interleaved, one thread")
