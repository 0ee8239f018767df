"""What the architectures ask of a sample's shape."""

from laconic.base.errors import ModelError


def image_shape(sample_shape: tuple[int, ...], *, least: int) -> tuple[int, int, int]:
    """`(channels, height, width)` of an image, or a refusal.

    Args:
        sample_shape: shape of one sample, without the batch axis.
        least: the smallest height and width, in pixels, that the network can take.

    Raises:
        ModelError: not three axes, or an image that is too small.

    >>> image_shape((3, 32, 32), least=8)
    (3, 32, 32)
    """
    if len(sample_shape) != 3:
        raise ModelError(f"the network takes images (channels, height, width), not samples of shape {sample_shape}")
    channels, height, width = sample_shape
    if min(height, width) < least:
        raise ModelError(f"an image of {height} × {width} pixels is too small for the network", hint=f"it takes {least} × {least} or more")
    return channels, height, width
