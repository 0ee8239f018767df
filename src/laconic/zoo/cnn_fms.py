"""CNN-F, CNN-M and CNN-S: fast, medium and slow.

K. Chatfield, K. Simonyan, A. Vedaldi, A. Zisserman, "Return of the Devil in the Details: Delving Deep into Convolutional Nets", BMVC 2014,
table 1.

| network | parameters  | MACs      | ImageNet top-5 error (table 3) |
|---------|------------:|----------:|-------------------------------:|
| CNN-F   |  60 834 536 |   724.0 M |                         16.7 % |
| CNN-M   | 102 908 520 | 1 676.2 M |                         13.7 % |
| CNN-S   | 102 908 520 | 2 637.7 M |                         13.1 % |

The network is `AlexNet` with one of these tables.
"""

from laconic.zoo.blocks.plain import PlainStage, plain_conv
from laconic.zoo.stages import Pool, Row

CNN_F: tuple[Row, ...] = (
    PlainStage(width=64, kernel=11, stride=4, padding=0, responses=True, block=plain_conv),
    Pool(3, 2, ceil=True),
    PlainStage(width=256, kernel=5, responses=True, block=plain_conv),
    Pool(3, 2, ceil=True),
    PlainStage(width=256, depth=3, block=plain_conv),
    Pool(3, 2, ceil=True),
)

CNN_M: tuple[Row, ...] = (
    PlainStage(width=96, kernel=7, stride=2, padding=0, responses=True, block=plain_conv),
    Pool(3, 2, ceil=True),
    PlainStage(width=256, kernel=5, stride=2, padding=1, responses=True, block=plain_conv),
    Pool(3, 2, ceil=True),
    PlainStage(width=512, depth=3, block=plain_conv),
    Pool(3, 2, ceil=True),
)

CNN_S: tuple[Row, ...] = (
    PlainStage(width=96, kernel=7, stride=2, padding=0, responses=True, block=plain_conv),
    Pool(3, 3, ceil=True),
    PlainStage(width=256, kernel=5, padding=0, block=plain_conv),
    Pool(2, 2, ceil=True),
    PlainStage(width=512, depth=3, block=plain_conv),
    Pool(3, 3, ceil=True),
)
"""Its conv2 is not padded: with the table's pixel of padding the last map would not be 6 × 6."""
