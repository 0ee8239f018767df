"""A record with everything in it, one with nothing, and a browser to read pages with."""

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest

from laconic.base.measures import Measure
from laconic.base.records import Figures, Layer, LayerCost, Record, Stage

SHAPES = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 800), "fc2": (10, 500)}


def size(length: int) -> Measure:
    return Measure(length, "bytes", "length of the file")


def score(percent: float) -> Measure:
    return Measure(percent, "%", "top-1 of the file on the test images", n=360, spread=0.7)


def latency(ms: float) -> Measure:
    return Measure(ms, "ms", "batch 1, one thread, interleaved", n=200, spread=0.012)


@pytest.fixture
def record() -> Record:
    layers = tuple(Layer(f"{name}.weight", s, "codebook", prod(s) // 10, 32, 4 * prod(s), prod(s) // 8) for name, s in SHAPES.items())
    plan = tuple({"layer": layer.name, "kept": layer.nonzero, "threshold": 0.0123, "frozen": False} for layer in layers)
    stages = (
        Stage("prune: {sparsity: 0.9}", plan, 21.4, size(271_032), score(98.9)),
        Stage("share: {bits: 5}", (), 8.25, size(63_120), None),
    )
    return Record(
        model="LeNet-5",
        data="digits",
        metric="top-1 accuracy",
        recipe="steps:\n  - prune: {sparsity: 0.9}\n  - share: {bits: 5}\n",
        seed=7,
        before=Figures(size(1_726_856), score(98.61), latency(0.4123), 431_080, 2_293_000),
        after=Figures(size(55_382), score(98.33), latency(0.4078), 431_080, 2_293_000),
        stages=stages,
        layers=layers,
        speed_ratio=Measure(1.01, "x", "median of interleaved pairs", n=200, spread=0.04),
        speed_line="The arithmetic is the same, so no speed-up is expected.",
        parts={"header": 96, "streams": 53_806, "graph": 1_480},
        sha256="9f86d081884c7d65",
        weights_only=size(53_902),
        environment={"python": "3.11", "threads": "1"},
        warnings=("The test split has 360 samples.",),
        energy=Measure(0.31, "Wh", "estimated"),
        co2e=Measure(0.147, "g", "estimated"),
        costs=(
            LayerCost("conv1", "Conv2d", (520, 520), (288_000, 288_000), (51_296, 51_296), (0.1, 0.05)),
            LayerCost("conv2", "Conv2d", (25_050, 9_000), (1_600_000, 500_000), (124_520, 60_000), (0.173, 0.04)),
            LayerCost("fc1", "Linear", (400_500, 0), (400_000, 0), (1_607_200, 0), (0.09, 0.0)),
        ),
    )


@pytest.fixture
def bare() -> Record:
    return Record("", "", "", "", 0, Figures(size(4)), Figures(size(4)))


class Browser:
    """A headless Chromium, driven over its debugging pipe (DevTools protocol: one JSON message, one zero byte)."""

    def __init__(self, chromium: str, profile: Path) -> None:
        down, self._down = os.pipe()
        self._up, up = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
        flags += ["--disable-component-update", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        # The pipe's ends have to be descriptors 3 and 4 of the browser.
        shell = ["bash", "-c", f'exec "$@" 3<&{down} 4>&{up}', "bash", chromium, *flags]
        self._process = subprocess.Popen(shell, pass_fds=(down, up), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(down)
        os.close(up)
        self._buffer, self._sent = b"", 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params, **self._session}
        os.write(self._down, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._sent:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _receive(self, seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._up], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            chunk = os.read(self._up, 1 << 20)
            assert chunk, "the browser has gone"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def show(self, page: Path, *, scheme: str = "light", media: str = "screen", width: int = 1100) -> None:
        """Open the page and wait until it is loaded; what happens meanwhile is in `events`."""
        self.send("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.events.clear()
        self.send("Page.navigate", url=page.as_uri())
        while not self.seen("Page.loadEventFired"):
            self.events.append(self._receive())

    def seen(self, *methods: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") in methods]

    def evaluate(self, script: str) -> Any:
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def close(self) -> None:
        self._session = {}
        self.send("Browser.close")
        self._process.wait(20)
        os.close(self._down)
        os.close(self._up)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine (looked for chromium, chromium-browser, google-chrome)")
    opened = Browser(chromium, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()
