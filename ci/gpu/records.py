"""What the parts found, by what it is about; what was reckoned before; and the workloads' own layouts."""

from __future__ import annotations

from typing import Any

from bench.table import digits

from .cases import FORWARD, TO_MAPS

Record = dict[str, Any]

NOT_MEASURED = "not measured"
COPIED = "copy, GB/s"
ASSUMED = 3000.0  # GB/s: of an H100, where no copy was timed
HOMES = {"W6": "NHWC", "W7": "NHWC"}  # the layouts that workloads come in; others: NCHW
LIKE_TORCHVISION = ("W1", "W1a", "W3", "W4")

# Microseconds on an H100 in float32, reckoned from machine code and trip counts before anything ran: of cyroi, and of
# torchvision.
ESTIMATES: dict[tuple[str, str], tuple[str, str]] = {
    ("W1", FORWARD): ("120 to 145", "433"),
    ("W1", TO_MAPS): ("230", "at least 589"),
    ("W1a", FORWARD): ("420 to 510", "2830"),
    ("W1a", TO_MAPS): ("670", "at least 4800"),
    ("W3", FORWARD): ("280", "1610"),
    ("W3", TO_MAPS): ("410", "at least 2050"),
    ("W4", FORWARD): ("350 to 420", "1770"),
    ("W4", TO_MAPS): ("660", "at least 2400"),
    ("W6", FORWARD): ("70", ""),
    ("W7", FORWARD): ("100", ""),
    ("W7", TO_MAPS): ("160", ""),
}


class Records:
    """What the parts found, by what it is about."""

    def __init__(self, records: list[Record]) -> None:
        self.all = records
        self.speeds = {(r["workload"], r["dtype"], r["layout"], r["direction"]): r for r in records if "workload" in r}
        self.machine = next((r for r in records if "machine" in r), None)

    def timed(self, label: str) -> bool:
        return any(label in record["cold"] for record in self.speeds.values())

    def times(self, *key: str) -> dict[str, float]:
        """Microseconds by contender, of a workload, type, layout and direction."""
        return self.speeds[key]["cold"] if key in self.speeds else {}

    def having(self, key: str) -> list[Record]:
        return [record for record in self.all if key in record]

    @property
    def rate(self) -> float:
        """Bytes per microsecond, as a copy reads and writes them."""
        return 1e3 * (self.machine["found"][COPIED] if self.machine else ASSUMED)


def home(name: str) -> str:
    return HOMES.get(name, "NCHW")


def cell(value: float | None) -> str:
    return NOT_MEASURED if value is None else digits(value, 3)
