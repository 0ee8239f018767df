"""Put the tables of bench/results into the documents, between the marks that name them: `<!-- table:NAME -->` … `<!-- end -->`.

Of a long table, `<!-- table:NAME COLUMN=VALUE -->` takes some lines only.

python docs/tables.py            writes them
"""

import csv
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
MARKS = re.compile(r"(<!-- table:(\w+)(?: (\w+)=(\w+))? -->\n)(.*?)(<!-- end -->)", re.S)


def filled(text: str) -> str:
    """The document with each table as its CSV file has it."""
    return MARKS.sub(lambda found: found[1] + table(found[2], found[3], found[4]) + found[6], text)


def table(name: str, column: str | None = None, value: str | None = None) -> str:
    """bench/results/NAME.csv in Markdown, without columns that are empty; with a column and a value, the lines that have it, without it."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    if column is not None:
        place = head.index(column)
        rows = [row[:place] + row[place + 1 :] for row in rows if row[place] == value]
        head = head[:place] + head[place + 1 :]
    told = [place for place in range(len(head)) if any(row[place] for row in rows)]
    head, *rows = ([row[place] for place in told] for row in (head, *rows))
    align = ["---" if not _number(cell) else "---:" for cell in rows[0]]
    lines = [head, align, *([_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(cell: str) -> str:
    if cell.isdigit():
        return f"{int(cell):,}".replace(",", " ")
    return f"`{cell}`" if "{" in cell else cell


def _number(cell: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", cell))


if __name__ == "__main__":
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
