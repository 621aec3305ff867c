"""README's table: six rows of the same run, with whoever is quickest and with the operator's own library."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from .gradients import TO_MAPS
from .table import Row, digits, markdown


@dataclass(frozen=True)
class Shown:
    """One row: a workload, what of it is timed, and what that is in words."""

    workload: str
    meaning: str
    what: str = "cyroi"  # or the gradient


SHOWN = (
    Shown("W1", "1000 boxes, 256 channels, 7 x 7 bins of 2 x 2 samples: box head of Mask R-CNN"),
    Shown("W1a", "the same on the adaptive grid"),
    Shown("W4", "gradient to the maps: training batch, 8 x 512 boxes, 256 channels, 7 x 7", TO_MAPS),
    Shown("smallest_roi", "one box, channel, bin and sample: what a call costs"),
    Shown("W6", "256 crops of 224 x 224 out of RGB images"),
    Shown("W7", "512 crops of 14 x 14 out of feature maps, 256 channels"),
)
HOMES = ("torchvision", "TensorFlow")  # whose conventions cyroi follows
TITLES = ["call (its name in the full table)", "cyroi, ms", "quickest other", " or ".join(HOMES)]
TEXT = (
    "float32; in the last two columns times as long as cyroi, so that below 1 the other is quicker. OpenCV has neither"
    " operator, and takes as many samples by `remap` and `resize`."
)


def summary(rows: list[Row], gradients: list[Row], titles: list[str], machine: str) -> str | None:
    """The text of README's marked part; None where the run lacks one of the rows."""
    lines = []
    for shown in SHOWN:
        found = [row for row in (rows if shown.what == "cyroi" else gradients) if row.workload == shown.workload]
        if not found:
            return None
        lines.append(_line(shown, found, titles))
    threads = " / ".join(str(row.threads) for row in found)
    text = f"{machine} Threads: {threads}; {TEXT}"
    return f"{markdown(TITLES, lines, texts=1)}\n\n{textwrap.fill(text, 120, break_on_hyphens=False)}"


def _line(shown: Shown, found: list[Row], titles: list[str]) -> list[str]:
    """Cells of one row of the table; numbers for each number of threads, in the order of the run."""
    ours = [row.seconds[shown.what] for row in found]
    ending = "" if shown.what == "cyroi" else f" {shown.what}"
    others = [{title: row.seconds.get(title + ending) for title in titles} for row in found]
    ratios = [
        {title: seconds / own for title, seconds in other.items() if seconds is not None}
        for other, own in zip(others, ours, strict=True)
    ]
    homes = [{title: ratio[title] for title in HOMES if title in ratio} for ratio in ratios]
    times = " / ".join(digits(1e3 * own, 3) for own in ours)
    return [f"{shown.meaning} ({shown.workload})", times, _named(ratios), _named(homes)]


def _named(ratios: list[dict[str, float]]) -> str:
    """The smallest ratio for each number of threads, with its title where that is another than before."""
    parts, before = [], ""
    for choices in ratios:
        if not choices:
            parts.append("not timed")
            continue
        title = min(choices, key=choices.__getitem__)
        value = digits(choices[title], 2)
        parts.append(value if title == before else f"{title} {value}")
        before = title
    return " / ".join(parts)
