"""Figures and strings as a reader sees them: grouped digits, true minus signs, nothing that could disturb the page."""

import re

from laconic.base.measures import Measure

MISSING = "–"
PREFIXES = ("", "k", "M", "G", "T", "P")  # of thousands
LONGEST = 4000  # characters of any one string that a page shows

_GROUP = "\u202f"  # narrow no-break space
# Control characters (line ends and tabs excepted), lone surrogates, and the marks that turn the direction of other people's text.
_DISTURBING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")


def plain(text: object, longest: int = LONGEST) -> str:
    """Any value as text that is safe to print and to encode; it still has to be escaped where it stands in markup.

    >>> plain("conv\\x1b[31m"), plain("a" * 9, longest=5)
    ('conv�[31m', 'aaaa…')
    """
    words = str(text)
    words = words if len(words) <= longest else words[: longest - 1] + "…"
    return _DISTURBING.sub("\ufffd", words)


def grouped(number: float) -> str:
    """An integer in groups of three digits.

    >>> grouped(1726856).replace("\u202f", " ")
    '1 726 856'
    """
    return f"{number:,.0f}".replace(",", _GROUP).replace("-", "−")


def prefixed(number: float, unit: str = "") -> str:
    """Three digits of a count, with the prefix of its thousands.

    >>> prefixed(15_470_264_320), prefixed(56_832, "B"), prefixed(999_600, "B"), prefixed(12, "B")
    ('15.5\\xa0G', '56.8\\xa0kB', '1\\xa0MB', '12\\xa0B')
    """
    power = 0
    while power < len(PREFIXES) - 1 and number >= 999.5:
        number, power = number / 1000, power + 1
    return f"{number:.3g}\u00a0{PREFIXES[power]}{unit}".strip("\u00a0")


def decimal(number: float, digits: int) -> str:
    """A number with so many decimals; zero has no sign.

    >>> decimal(-0.34, 1), decimal(-0.04, 1)
    ('−0.3', '0.0')
    """
    return f"{number:z.{digits}f}".replace("-", "−")


def factor(ratio: float) -> str:
    """A ratio with its sign: `31.2 ×`, `0.97 ×`, `120 ×`.

    >>> factor(31.18), factor(0.968), factor(119.6)
    ('31.2\\xa0×', '0.97\\xa0×', '120\\xa0×')
    """
    digits = 2 if ratio < 1 else 1 if ratio < 100 else 0
    return f"{decimal(ratio, digits)}\u00a0×"


def decimals(measure: Measure) -> int:
    """Decimals of a per cent that its number of samples can carry.

    >>> decimals(Measure(98.25, "%", "", n=360)), decimals(Measure(91.73, "%", "", n=10000))
    (1, 2)
    """
    return 2 if measure.n >= 2000 else 1


def figure(measure: Measure) -> str:
    """Value and unit, without the spread.

    >>> figure(Measure(98.25, "%", "", n=360)), figure(Measure(0.41234, "ms", "", n=100))
    ('98.2\\xa0%', '0.4123\\xa0ms')
    """
    match measure.unit:
        case "bytes":
            return f"{grouped(measure.value)}\u00a0B"
        case "%":
            return f"{decimal(measure.value, decimals(measure))}\u00a0%"
        case "x" | "×":
            return factor(measure.value)
        case unit:
            return f"{measure.value:.4g}".replace("-", "−") + (f"\u00a0{plain(unit, 20)}" if unit else "")


def spread(measure: Measure) -> str:
    """The spread in the measure's own unit, or nothing where it is exact.

    >>> spread(Measure(98.25, "%", "", n=360, spread=0.69)), spread(Measure(2.0, "ms", ""))
    ('±\\xa00.7', '')
    """
    if not measure.spread:
        return ""
    amount = decimal(measure.spread, decimals(measure)) if measure.unit == "%" else f"{measure.spread:.2g}"
    return f"±\u00a0{amount}"


def note(measure: Measure) -> str:
    """How often and how it was measured.

    >>> note(Measure(1.0, "ms", "median", n=2000)).replace("\u202f", " ")
    'n = 2 000, median'
    """
    count = f"n = {grouped(measure.n)}" if measure.n > 1 else ""
    return ", ".join(part for part in (count, plain(measure.how, 300)) if part)
