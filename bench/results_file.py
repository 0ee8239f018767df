"""A table of results on its way: rows that are kept as soon as they are there, so that a call goes on where the last one ended."""

import csv
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


class Results:
    """bench/results/NAME.csv.

    Args:
        name: of the table.
    """

    def __init__(self, name: str) -> None:
        self.path = FOLDER / f"{name}.csv"

    def rows(self) -> list[dict[str, str]]:
        """What is there."""
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def has(self, **cells: str) -> bool:
        """Whether a row has these cells."""
        return any(all(row[name] == cell for name, cell in cells.items()) for row in self.rows())

    def add(self, row: dict[str, str]) -> None:
        """One more row, printed as well."""
        self.keep([*self.rows(), row])
        print(*row.values(), sep="  ", flush=True)

    def keep(self, rows: Sequence[dict[str, str]]) -> None:
        """These rows and no others."""
        with self.path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]), restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
