"""Weights from a file into a model, without running what the file says."""

import copy
import pickle
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from laconic.base.errors import ModelError
from laconic.base.words import unwrapped
from laconic.graph.restore import load_into

State = dict[str, Tensor]

_SUFFIXES = (".safetensors", ".pt", ".pth", ".th")
_KEYS = ("state_dict", "model_state_dict", "model")
# What torch.load raises, by trial and by its source, on bytes that are no checkpoint, or not all of one.
_DAMAGE = (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error)
_SHOWN = 5


def load_weights(model: nn.Module, path: Path | str) -> nn.Module:
    """A copy of `model` that holds the weights in the file, a checkpoint or a `.lac` file; `model` stays as it was.

    Raises:
        ModelError: as `read_state`; or names or shapes that do not fit the model, the first few of each listed.
        ArtifactError: a `.lac` file is damaged.
    """
    if Path(path).suffix == ".lac":
        return load_into(model, path)
    state = read_state(path)
    loaded = copy.deepcopy(model)
    wanted = loaded.state_dict()
    misshapen = [name for name, value in wanted.items() if name in state and state[name].shape != value.shape]
    told = loaded.load_state_dict({name: value for name, value in state.items() if name not in misshapen}, strict=False)
    missing = [name for name in told.missing_keys if name not in misshapen]
    shapes = [f"{name} {tuple(state[name].shape)} for {tuple(wanted[name].shape)}" for name in misshapen]
    _check((("missing", missing), ("unexpected", told.unexpected_keys), ("of another shape", shapes)), str(path))
    return loaded


def read_state(path: Path | str) -> State:
    """Name → tensor, on the CPU, from `.safetensors`, or from `.pt`, `.pth`, `.th` with torch's restricted unpickler.

    A state dict under the key `state_dict`, `model_state_dict` or `model` is found, and the prefixes that `DataParallel` and
    `torch.compile` put before every name are taken off.

    Raises:
        ModelError: no such file, another suffix, a damaged file, a pickle that would run code, or no state dict in it.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError("a folder stands where the weights should be" if path.is_dir() else "there is no such file", where=str(path))
    if path.suffix not in _SUFFIXES:
        raise ModelError(
            f"weights are not read from {path.suffix or 'a file without a suffix'}",
            where=str(path),
            hint=f"one of {', '.join(_SUFFIXES)}, .lac",
        )
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    except OSError as cause:
        raise ModelError(f"the file cannot be read: {cause.strerror}", where=str(path)) from cause
    return unwrapped(_state_in(content, str(path)))


def _read_safetensors(path: Path) -> Any:
    import safetensors
    import safetensors.torch

    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as cause:
        raise ModelError(f"the file is damaged: {cause}", where=str(path), hint="fetch or save it again") from cause


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as cause:
        raise _refusal(path, str(cause)) from cause
    except _DAMAGE as cause:
        reason = (str(cause).splitlines() or [""])[0] or type(cause).__name__
        raise ModelError(f"the file is damaged or holds no weights: {reason}", where=str(path), hint="fetch or save it again") from cause


def _refusal(path: Path, reason: str) -> ModelError:
    wanted = re.search(r"GLOBAL (\S+)", reason)
    if wanted is None:
        return ModelError("the file is damaged, or no checkpoint of torch's", where=str(path), hint="fetch or save it again")
    return ModelError(
        f"refused: reading this file would run Python code of its choosing (it asks for {wanted[1]})",
        where=str(path),
        hint="where you trust its origin, load it yourself and save model.state_dict() alone, or as .safetensors",
    )


def _state_in(content: Any, where: str) -> State:
    if isinstance(content, Mapping):
        content = next((content[key] for key in _KEYS if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not content or not all(isinstance(value, Tensor) for value in content.values()):
        held = ", ".join(map(str, list(content)[:_SHOWN])) if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(f"no state dict in the file; it holds {held or 'nothing'}", where=where, hint="save model.state_dict()")
    return {str(name): value for name, value in content.items()}


def _check(kinds: Iterable[tuple[str, list[str]]], where: str) -> None:
    complaints = {kind: f"{len(names)} {kind}: {_few(names)}" for kind, names in kinds if names}
    if complaints:
        misshapen = "of another shape" in complaints
        hint = "build the network " + ("with the classes and the sample shape of the checkpoint" if misshapen else "that was saved")
        raise ModelError("the weights do not fit the model; " + "; ".join(complaints.values()), where=where, hint=hint)


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
