"""What a step decided, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What a step decided: one row a layer, every row with the same columns. Prints itself as a table.

    >>> print(Plan(({"layer": "fc1", "sparsity": 0.9},)))
    layer  sparsity
    fc1         0.9
    """

    rows: tuple[Mapping[str, Any], ...]

    def __str__(self) -> str:
        if not self.rows:
            return "nothing to do"
        lines = [list(self.rows[0]), *([_cell(value) for value in row.values()] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join(_align(cell, width, i) for i, (cell, width) in enumerate(zip(line, widths, strict=True))) for line in lines
        )


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _align(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)
