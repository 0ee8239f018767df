"""DATA as users type it, from `digits` to `folder:DIR`."""

from collections.abc import Callable
from pathlib import Path

from laconic.base.errors import DataError, UsageError
from laconic.base.words import did_you_mean
from laconic.datasets.arrays import load_npz
from laconic.datasets.cifar import load_cifar10, load_cifar100
from laconic.datasets.data import Data
from laconic.datasets.digits import load_digits
from laconic.datasets.folder import load_folder
from laconic.datasets.function import load_function
from laconic.datasets.mnist import load_mnist

Shape = tuple[int, ...]

_AT: dict[str, Callable[[Path, Shape | None], Data]] = {
    "mnist": lambda path, _: load_mnist(path),
    "cifar10": lambda path, _: load_cifar10(path),
    "cifar100": lambda path, _: load_cifar100(path),
    "folder": load_folder,
    "npz": lambda path, _: load_npz(path),
}


def load_data(
    reference: str,
    *,
    sample_shape: Shape | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Data:
    """The data that `reference` stands for.

    Args:
        reference: `digits`, `mnist:DIR`, `cifar10:DIR`, `cifar100:DIR`, `folder:DIR`, `npz:FILE` or `path/file.py:FUNCTION`.
        sample_shape: one sample as the network takes it. Digits and image files are brought to it; all other data must have it.
        mean: what to subtract from the scaled inputs, one value per channel, instead of the set's own; goes with `std`.
        std: what to divide by; goes with `mean`.

    Raises:
        UsageError: a word that names no data, or `mean` without `std`.
        DataError: data that cannot be read, or do not have that shape.

    >>> load_data("digits", sample_shape=(1, 28, 28)).train.inputs.shape
    (1197, 1, 28, 28)
    """
    data = _load(reference, sample_shape)
    if sample_shape is not None and data.preprocessing.shape != sample_shape:
        raise DataError(
            f"samples of shape {data.preprocessing.shape} where the network takes {sample_shape}",
            where=reference,
            hint="axes are not guessed: images are (channels, height, width), x.transpose(0, 3, 1, 2) or x[:, None] makes them so",
        )
    if mean is None and std is None:
        return data
    if mean is None or std is None:
        raise UsageError("mean and std go together", hint="give both, or neither")
    return data.normalised(mean, std)


def _load(reference: str, sample_shape: Shape | None) -> Data:
    if reference == "digits":
        return load_digits(sample_shape)
    word, _, address = reference.partition(":")
    if word in _AT and address:
        return _AT[word](Path(address), sample_shape)
    if reference.rpartition(":")[0].endswith(".py"):
        return load_function(reference)
    raise UsageError(f"{reference!r} names no data", hint=_hint(word))


def _hint(word: str) -> str:
    if word in _AT:
        return f"write {word}:{'FILE' if word == 'npz' else 'DIR'}"
    return f"{did_you_mean(word, ['digits', *_AT])} (or path/file.py:function)"
