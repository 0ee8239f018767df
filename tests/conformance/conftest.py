"""Wrong input of every kind, and a book of what laconic says to it."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from laconic.base.errors import LaconicError

BOOK = Path(__file__).with_name("messages.txt")
WRITE = "LACONIC_WRITE_MESSAGES"
RULE = "=" * 20


@pytest.fixture(scope="session")
def book() -> Iterator[dict[str, str]]:
    """Case → message, as the book has it; written again at the end where LACONIC_WRITE_MESSAGES is set."""
    said = dict(re.findall(rf"^{RULE} (.+)\n((?:.*\n)*?)(?=^{RULE} |\Z)", BOOK.read_text(encoding="utf-8"), re.MULTILINE))
    yield said
    if os.environ.get(WRITE):
        BOOK.write_text("".join(f"{RULE} {case}\n{said[case]}" for case in sorted(said)), encoding="utf-8")


@pytest.fixture
def heard(book: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Compares what was said with the book (or writes it down), and hands it back: `heard(kind, name, error or text)`."""

    def listen(kind: str, name: str, said: LaconicError | str) -> LaconicError | str:
        text = str(said).replace(str(tmp_path), "DIR").replace(str(Path(__file__).parent), "HERE").rstrip() + "\n"
        text = re.sub(r"(HERE/\S+), line \d+", r"\1, line N", text)
        text = re.sub(r"/\S*/(?=site-packages/)", "", text)
        assert "Traceback" not in text
        if os.environ.get(WRITE):
            book[f"{kind}: {name}"] = text
        assert text == book.get(f"{kind}: {name}"), f"another message; read it, then write the book again with {WRITE}=1"
        return said

    return listen
