"""The command line: one small function a command. Nothing in laconic imports it.

`laconic --help` answers at once because a command imports what it works with when it runs. The commands of the running wing
(inspect, verify, run, bench of two files, export to ONNX) never import torch.
"""

from laconic.cli.app import main

__all__ = ["main"]
