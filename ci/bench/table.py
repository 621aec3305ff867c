"""The Markdown tables, and their places in docs/performance.md and README.md."""

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
    return markdown(titles, [line(row, columns) for row in rows])


def line(row: Row, columns: list[str]) -> list[str]:
    cyroi = row.seconds["cyroi"]

    def alone(label: str) -> str:
        return digits(1e3 * row.seconds[label], 3) if label in row.seconds else ""

    def beside(label: str) -> str:
        return with_ratio(row.seconds.get(label), cyroi)

    ratio = f"{cyroi / row.seconds['floor']:.2f}" if "floor" in row.seconds else ""
    ours = [alone("cyroi"), beside("fresh result"), alone("floor"), ratio, alone("once")]
    return [row.workload, str(row.threads), *ours, *map(beside, columns)]


def with_ratio(seconds: float | None, cyroi: float) -> str:
    """Milliseconds, and in brackets how many times as long as cyroi; empty for what did not take part."""
    return "" if seconds is None else f"{digits(1e3 * seconds, 3)} ({digits(seconds / cyroi, 2)})"


def markdown(titles: list[str], lines: list[list[str]], texts: int = 2) -> str:
    """A table whose first columns are `texts`, the others numbers."""
    rule = "|---" * texts + "|--:" * (len(titles) - texts) + "|"
    return "\n".join([f"| {' | '.join(titles)} |", rule, *(f"| {' | '.join(cells)} |" for cells in lines)])


def digits(value: float, count: int) -> str:
    return f"{float(f'{value:.{count}g}'):g}"


def replace_marked(text: str, content: str, begin: str = BEGIN, end: str = END) -> str:
    """`text` with `content` between the two markers. ValueError unless there is one of each, in this order."""
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last or begin in rest or end in before + after:
        raise ValueError(f"expected one line {begin!r} and after it one line {end!r}")
    return f"{before}{begin}\n\n{content.strip()}\n\n{end}{after}"
