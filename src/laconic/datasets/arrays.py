"""`npz:FILE`, and data that are already in memory: arrays, tensors, torch datasets."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from laconic.base.archives import read_npz
from laconic.base.errors import DataError
from laconic.base.preprocessing import Preprocessing
from laconic.datasets.data import Data, Split, hold_out_tenth, measured, split_in_three


class Samples(Protocol):
    """A torch `Dataset`, or anything else with a length and `(sample, target)` at each index."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int, /) -> Any:
        """`(sample, target)` of one index."""


Pairs = tuple[Any, Any] | Samples


def from_arrays(
    train: Pairs,
    test: Pairs,
    validation: Pairs | None = None,
    *,
    name: str = "arrays",
    classes: tuple[str, ...] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Data:
    """Data from what is in memory.

    Args:
        train: `(inputs, targets)` as arrays or tensors, samples first; or a torch dataset, which is read once.
        test: likewise.
        validation: likewise; `None` holds one training sample in ten out, at most 5 000.
        name: what the report calls the data.
        classes: their names; `None` numbers them where targets are one integer per sample, and names none otherwise.
        preprocessing: `None` takes 8-bit inputs for pixels, with mean and deviation measured on the training split, and leaves
            all other inputs as they are.

    Raises:
        DataError: lengths or shapes that differ, or what `Data` refuses.

    >>> pixels, labels = np.zeros((20, 1, 8, 8), np.uint8), np.arange(20) % 3
    >>> data = from_arrays((pixels, labels), (pixels[:6], labels[:6]))
    >>> len(data.train), len(data.validation), data.classes
    (18, 2, ('0', '1', '2'))
    """
    whole, verdict = _split(train), _split(test)
    learn, choose = hold_out_tenth(whole) if validation is None else (whole, _split(validation))
    origin = "held out of training by seed 0" if validation is None else "as given"
    return _data(name, (learn, choose, verdict), classes, preprocessing, f"arrays in memory; {len(choose)} samples to validate, {origin}.")


def load_npz(path: Path) -> Data:
    """Data from `x_train`, `y_train`, `x_test`, `y_test` and, where present, `x_validation`, `y_validation` in a NumPy archive.

    An archive of `inputs` and `targets` alone is split: one sample in five to test, then one in ten to validate, by seed 0; so is
    one of `inputs` alone, whose targets are then zeros: to calibrate on, not to judge by.

    Raises:
        DataError: no such file, a damaged one, arrays of Python objects (refused: they are pickles), or other keys.
    """
    arrays = read_npz(path)
    name = f"npz:{path}"
    if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        own = (arrays["x_validation"], arrays["y_validation"]) if {"x_validation", "y_validation"} <= set(arrays) else None
        return from_arrays((arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"]), own, name=name)
    if {"inputs", "targets"} <= set(arrays):
        parts = split_in_three(_split((arrays["inputs"], arrays["targets"])))
        return _data(name, parts, None, None, "one archive; one sample in five to test, then one in ten to validate, by seed 0.")
    if set(arrays) == {"inputs"}:
        unlabelled = (arrays["inputs"], np.zeros(len(arrays["inputs"]), np.int64))
        parts = split_in_three(_split(unlabelled))
        return _data(name, parts, (), None, "one archive without targets, which are taken to be 0; for steps that need none.")
    raise DataError(
        f"the archive holds {', '.join(sorted(arrays)) or 'nothing'}",
        where=str(path),
        hint="expected x_train, y_train, x_test, y_test, or inputs and targets, or inputs alone to calibrate on",
    )


def _data(
    name: str,
    splits: tuple[Split, Split, Split],
    classes: tuple[str, ...] | None,
    preprocessing: Preprocessing | None,
    provenance: str,
) -> Data:
    train, validation, test = splits
    names = _numbered(splits) if classes is None else classes
    return Data(name, train, validation, test, preprocessing or _preprocessing(train.inputs), names, provenance)


def _preprocessing(inputs: np.ndarray) -> Preprocessing:
    return measured(inputs) if inputs.dtype == np.uint8 else Preprocessing(inputs.shape[1:], scale=1.0)


def _numbered(splits: tuple[Split, ...]) -> tuple[str, ...]:
    targets = [split.targets for split in splits if len(split)]
    if not all(t.ndim == 1 and t.dtype.kind in "iu" for t in targets):
        return ()
    most = max(int(t.max()) for t in targets)
    return tuple(str(number) for number in range(most + 1)) if most else ()  # a single class is no labels


def _split(pairs: Pairs) -> Split:
    inputs, targets = map(_array, pairs if isinstance(pairs, tuple) and len(pairs) == 2 else _materialised(pairs))
    if targets.dtype.kind in "iu":
        targets = targets.astype(np.int64)
    return Split(inputs, targets)


def _materialised(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    try:
        length = len(samples)
    except TypeError as cause:
        hint = "read it into arrays first, or give it __len__ and __getitem__"
        raise DataError("the data are read by number, and this has no length", where=type(samples).__name__, hint=hint) from cause
    pairs = [_pair(samples, index) for index in range(length)]
    for index, (inputs, targets) in enumerate(pairs):
        if (inputs.shape, targets.shape) != (pairs[0][0].shape, pairs[0][1].shape):
            found = f"samples are not of one shape: {inputs.shape} and {targets.shape} after {pairs[0][0].shape} and {pairs[0][1].shape}"
            raise DataError(found, where=f"{type(samples).__name__}, sample {index}", hint="resize or pad in the dataset")
    return np.stack([inputs for inputs, _ in pairs]), np.stack([targets for _, targets in pairs])


def _pair(samples: Samples, index: int) -> tuple[np.ndarray, np.ndarray]:
    """One sample and its target, as arrays."""
    where = f"{type(samples).__name__}, sample {index}"
    try:
        pair = samples[index]
    except Exception as cause:  # broad on purpose: a dataset reads files and runs code of its own
        told = f"{type(cause).__name__}: {(str(cause).splitlines() or [''])[0]}"
        raise DataError(f"the dataset fails: {told}", where=where, hint="mend or leave out this sample") from cause
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        told = f"{len(pair)} parts" if isinstance(pair, tuple | list) else f"a {type(pair).__name__}"
        raise DataError(f"a dataset gives (sample, target), and this gives {told}", where=where, hint="return image, label")
    return _array(pair[0]), _array(pair[1])


def _array(values: Any) -> np.ndarray:
    try:
        return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except (TypeError, ValueError) as cause:  # ragged lists; types that numpy lacks
        raise DataError(f"this is no array: {cause}", hint="give numbers, every sample of one shape") from cause
