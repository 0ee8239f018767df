"""MODEL as users type it, from `zoo:resnet20` to `path/file.py:build` and `path/file.onnx`."""

import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from laconic.base.errors import ModelError
from laconic.base.imports import call_attribute, foreign_code
from laconic.base.words import did_you_mean
from laconic.graph.importing import SUFFIXES, import_model
from laconic.zoo import ZOO, Entry

_FORMS = "zoo:resnet20, torchvision:resnet18, timm:mobilenetv3_small_100, path/file.py:build, package.module:build, file.onnx or file.lac"


def build_model(reference: str, *, classes: int | None = None, sample_shape: tuple[int, ...] | None = None) -> nn.Module:
    """The network that `reference` stands for: with the weights of its file, or freshly initialised from torch's global generator.

    Args:
        reference: `zoo:NAME`, `torchvision:NAME`, `timm:NAME`, `path/file.py:FUNCTION`, `package.module:FUNCTION`, `path/file.onnx` or
            `path/file.lac`. A function is called without arguments and decides on classes and shape itself; so does a file.
        classes: number of outputs; `None` leaves the architecture's own.
        sample_shape: shape of one sample; `None` leaves the architecture's own. timm reads the channels from it; torchvision's
            networks always take three.

    Raises:
        ModelError: unknown name, library that is not available, code that raised something, a result that is no `nn.Module`, or a file
            without a graph that torch can compute.

    >>> build_model("zoo:lenet5", classes=26).fc2.out_features
    26
    """
    if reference.endswith(SUFFIXES):
        return import_model(Path(reference), sample_shape)
    source, colon, name = reference.rpartition(":")
    if not (source and colon and name):
        raise ModelError(f"{reference!r} names no model", hint=_near(reference))
    if source == "zoo":
        return _from_zoo(entry(name), classes, sample_shape)
    if source == "torchvision":
        return _from_torchvision(name, classes)
    if source == "timm":
        return _from_timm(name, classes, sample_shape)
    return _module(call_attribute(reference, error=ModelError), reference)


def entry(name: str) -> Entry:
    """The zoo's entry of this name.

    Raises:
        ModelError: there is none; the hint names the nearest.
    """
    return ZOO[_known(name, ZOO, "the zoo")]


def _from_zoo(found: Entry, classes: int | None, sample_shape: tuple[int, ...] | None) -> nn.Module:
    return found.build(
        classes=found.classes if classes is None else classes,
        sample_shape=found.sample_shape if sample_shape is None else sample_shape,
    )


def _from_torchvision(name: str, classes: int | None) -> nn.Module:
    models: Any = _library("torchvision.models")
    options = {} if classes is None else {"num_classes": classes}
    with foreign_code(f"torchvision cannot build {name}", ModelError):
        return _module(models.get_model(_known(name, models.list_models(), "torchvision"), weights=None, **options), name)


def _from_timm(name: str, classes: int | None, sample_shape: tuple[int, ...] | None) -> nn.Module:
    timm: Any = _library("timm")
    options = {} if classes is None else {"num_classes": classes}
    options |= {} if sample_shape is None else {"in_chans": sample_shape[0]}
    with foreign_code(f"timm cannot build {name}", ModelError):
        return _module(timm.create_model(_known(name, timm.list_models(), "timm"), pretrained=False, **options), name)


def _library(name: str) -> ModuleType:
    package = name.partition(".")[0]
    hint = f"install {package} in the version made for your torch, or name a file.py:function"
    with foreign_code(f"{package} is not available", ModelError, hint=hint):
        return importlib.import_module(name)


def _known(name: str, names: Iterable[str], where: str) -> str:
    known = list(names)
    if name not in known:
        raise ModelError(f"{where} has no network {name!r}", hint=did_you_mean(name, known))
    return name


def _module(built: object, reference: str) -> nn.Module:
    if not isinstance(built, nn.Module):
        raise ModelError(f"{reference} returned a {type(built).__name__}, not a torch.nn.Module", hint="return the network itself")
    return built


def _near(word: str) -> str:
    return f"did you mean zoo:{word}?" if word in ZOO else f"write {_FORMS}"
