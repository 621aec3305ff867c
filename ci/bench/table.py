"""The Markdown table, and its place in docs/performance.md."""

from __future__ import annotations

from dataclasses import dataclass

BEGIN = "<!-- table of ci/bench.sh: begin -->"
END = "<!-- table of ci/bench.sh: end -->"


@dataclass(frozen=True)
class Row:
    """Median seconds of each contender on one workload; those that did not take part are absent."""

    workload: str
    threads: int
    seconds: dict[str, float]


def table(rows: list[Row], peers: list[str]) -> str:
    """The rows as Markdown, in milliseconds. Only `peers` that took part somewhere get a column."""
    columns = [label for label in peers if any(label in row.seconds for row in rows)]
    titles = ["workload", "threads", "cyroi", "fresh result", "floor", "x floor", "once", *columns]
    lines = [f"| {' | '.join(titles)} |", "|---" * 2 + "|--:" * (len(titles) - 2) + "|"]
    return "\n".join(lines + [line(row, columns) for row in rows])


def line(row: Row, columns: list[str]) -> str:
    cyroi = row.seconds["cyroi"]

    def cell(label: str, bracket: bool = True) -> str:
        if label not in row.seconds:
            return ""
        value = row.seconds[label]
        return digits(1e3 * value, 3) + (f" ({digits(value / cyroi, 2)})" if bracket else "")

    ratio = f"{cyroi / row.seconds['floor']:.2f}" if "floor" in row.seconds else ""
    ours = [cell("cyroi", False), cell("fresh result"), cell("floor", False), ratio, cell("once", False)]
    return f"| {' | '.join([row.workload, str(row.threads), *ours, *map(cell, columns)])} |"


def digits(value: float, count: int) -> str:
    return f"{float(f'{value:.{count}g}'):g}"


def replace_marked(text: str, content: str) -> str:
    """`text` with `content` between the two markers. ValueError unless there is one of each, in this order."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise ValueError(f"expected one line {BEGIN!r} and after it one line {END!r}")
    return f"{before}{BEGIN}\n\n{content.strip()}\n\n{END}{after}"
