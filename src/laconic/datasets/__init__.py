"""Data from wherever they are: `load_data` for what users type, `from_arrays` for what is in memory."""

from laconic.datasets.arrays import from_arrays
from laconic.datasets.data import Data, Split
from laconic.datasets.reference import load_data

__all__ = ["Data", "Split", "from_arrays", "load_data"]
