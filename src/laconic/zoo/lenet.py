"""LeNet-300-100 and LeNet-5.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86 (11), 1998.
Caffe's shape of LeNet-5: Y. Jia et al., "Caffe", ACM Multimedia 2014, `examples/mnist`.

| network            | parameters | MNIST test error                              |
|--------------------|-----------:|-----------------------------------------------|
| LeNet-300-100      |    266 610 | 3.05 % (1998); 1.64 % (Han et al. 2016)       |
| LeNet-5, Caffe     |    431 080 | 0.80 % (Han et al. 2016)                      |
| LeNet-5, classic   |     61 706 | 0.95 % (1998)                                 |

Where ours differ from 1998: ReLU for the scaled tanh in LeNet-300-100; in the classic LeNet-5 a plain tanh, every conv2 filter
sees all six maps (the paper connects 60 of the 96 pairs), pooling has no coefficients of its own, and the output is linear
rather than radial basis functions: hence 61 706 parameters for the paper's 60 000. Weights start as torch starts them.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from laconic.zoo.shapes import image_shape


class LeNet300100(nn.Module):
    """Three fully connected layers, 300, 100 and `classes` wide, with ReLU between them.

    Args:
        classes: number of outputs.
        sample_shape: shape of one sample, of any rank; it is flattened.
    """

    def __init__(self, classes: int = 10, sample_shape: tuple[int, ...] = (1, 28, 28)) -> None:
        super().__init__()
        self.fc1 = nn.Linear(math.prod(sample_shape), 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of samples `(n, *sample_shape)`."""
        x = functional.relu(self.fc1(x.flatten(1)))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


class LeNet5(nn.Module):
    """LeNet-5 in Caffe's shape: 20 and 50 filters of 5 × 5, max pooling, 500 hidden units.

    As in Caffe, the only ReLU follows fc1; the convolutions are followed by pooling alone.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 16 × 16 or more.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(self, classes: int = 10, sample_shape: tuple[int, ...] = (1, 28, 28)) -> None:
        super().__init__()
        channels, height, width = image_shape(sample_shape, least=16)
        self.conv1 = nn.Conv2d(channels, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * _side(_side(height)) * _side(_side(width)), 500)
        self.fc2 = nn.Linear(500, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        x = functional.max_pool2d(self.conv1(x), 2)
        x = functional.max_pool2d(self.conv2(x), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


class LeNet5Classic(nn.Module):
    """LeNet-5 in the shape of 1998: 6 and 16 filters of 5 × 5, average pooling, 120 and 84 hidden units, tanh.

    The paper sets a 28 × 28 digit in a field of 32 × 32; here conv1 pads by 2.

    Args:
        classes: number of outputs.
        sample_shape: `(channels, height, width)`, 12 × 12 or more.

    Raises:
        ModelError: the sample is not an image, or too small.
    """

    def __init__(self, classes: int = 10, sample_shape: tuple[int, ...] = (1, 28, 28)) -> None:
        super().__init__()
        channels, height, width = image_shape(sample_shape, least=12)
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * _side(height // 2) * _side(width // 2), 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(n, classes)` of images `(n, channels, height, width)`."""
        x = functional.avg_pool2d(functional.tanh(self.conv1(x)), 2)
        x = functional.avg_pool2d(functional.tanh(self.conv2(x)), 2)
        x = functional.tanh(self.fc1(x.flatten(1)))
        x = functional.tanh(self.fc2(x))
        return self.fc3(x)


def _side(pixels: int) -> int:
    """What is left of a side after a 5 × 5 convolution without padding and 2 × 2 pooling."""
    return (pixels - 4) // 2
