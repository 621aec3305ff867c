"""What is asked of the device, beside what was reckoned and what was measured."""

from __future__ import annotations

from bench.table import digits, markdown

from .cases import DTYPES, FORWARD, TO_MAPS
from .contenders import OURS, TORCHVISION
from .records import ESTIMATES, LIKE_TORCHVISION, NOT_MEASURED, Records, home

QUICKER = {FORWARD: 1.5, TO_MAPS: 2.0}  # at least so many times as quick as torchvision
FLOORS, SMALL = 2.0, 25.0  # at most so many times the floor, and microseconds


def table(them: Records) -> str:
    lines = []
    for direction, wanted in QUICKER.items():
        for name in LIKE_TORCHVISION:
            ratios = [ratio(them, name, dtype, direction) for dtype in DTYPES]
            ours, theirs = ESTIMATES[name, direction]
            words = f"{name}, {direction}: times as quick as torchvision"
            found = [verdict(it, wanted, at_least=True) for it in ratios]
            lines.append([words, f"at least {wanted:g}", f"{theirs} / {ours} us", *found])
    for direction in QUICKER:
        for name in ("W6", "W7"):
            found = [verdict(floors(them, name, dtype, direction), FLOORS, at_least=False) for dtype in DTYPES]
            lines.append([f"{name}, {direction}: times the floor", f"at most {FLOORS:g}", "", *found])
    small = [
        r["us"] for r in them.having("overhead") if "smallest" in r["overhead"] and "validate=False" in r["overhead"]
    ]
    found = [verdict(max(small, default=None), SMALL, at_least=False), ""]
    lines.append(["a small call: us of Python and launches", f"at most {SMALL:g}", "", *found])
    return markdown(["goal", "wanted", "estimated", *DTYPES], lines, texts=1)


def ratio(them: Records, name: str, dtype: str, direction: str) -> float | None:
    """How many times as long as cyroi torchvision takes."""
    times = them.times(name, dtype, home(name), direction)
    return times[TORCHVISION] / times[OURS] if {TORCHVISION, OURS} <= set(times) else None


def floors(them: Records, name: str, dtype: str, direction: str) -> float | None:
    times = them.times(name, dtype, home(name), direction)
    if OURS not in times:
        return None
    return times[OURS] / (them.speeds[name, dtype, home(name), direction]["moved"] / them.rate)


def verdict(value: float | None, wanted: float, *, at_least: bool) -> str:
    if value is None:
        return NOT_MEASURED
    met = value >= wanted if at_least else value <= wanted
    return f"{digits(value, 3)}, {'met' if met else 'missed'}"
