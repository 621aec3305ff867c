"""The tables of ci/bench.sh, and that the documents show those of one run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "ci"))
sys.path.append(str(Path(__file__).parents[2] / "asv_benchmarks"))
from bench import gradients, peers
from bench.summary import SHOWN, TITLES, summary
from bench.table import BEGIN, END, Row, replace_marked, table
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "docs/performance.md"]


def marked(document):
    """What stands between the markers of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return text.partition(BEGIN)[2].partition(END)[0]


# --- how they are made ------------------------------------------------------------------------------------------------


def test_the_table_has_ratios_and_only_peers_that_took_part():
    seconds = {"cyroi": 0.03, "fresh result": 0.06, "floor": 0.024, "once": 0.004, "Fast": 0.3}
    rows = [Row("W1", 1, seconds), Row("small", 2, {"cyroi": 1e-5})]
    assert table(rows, ["Absent", "Fast"]).splitlines() == [
        "| workload | threads | cyroi | fresh result | floor | x floor | once | Fast |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
        "| W1 | 1 | 30 | 60 (2) | 24 | 1.25 | 4 | 300 (10) |",
        "| small | 2 | 0.01 |  |  |  |  |  |",
    ]


def test_the_tables_of_gradients_have_their_ratios_and_each_its_own_peers():
    seconds = {"to the maps": 0.03, "floor": 0.02, "to the boxes": 0.06, "forward": 0.03}
    peers_seconds = {"Old to the maps": 0.6, "New to the maps": 0.015, "New to the boxes": 0.6}
    rows = [Row("W1", 2, seconds | peers_seconds), Row("W3", 1, seconds)]
    titles = ["Old", "Absent", "New"]
    assert gradients.to_maps_table(rows, titles).splitlines() == [
        "| workload | threads | to the maps | floor | x floor | Old | New |",
        "|---|---|--:|--:|--:|--:|--:|",
        "| W1 | 2 | 30 | 20 | 1.50 | 600 (20) | 15 (0.5) |",
        "| W3 | 1 | 30 | 20 | 1.50 |  |  |",
    ]
    assert gradients.to_boxes_table(rows, titles).splitlines() == [
        "| workload | threads | to the boxes | forward | x forward | New |",
        "|---|---|--:|--:|--:|--:|",
        "| W1 | 2 | 60 | 30 | 2.00 | 600 (10) |",
        "| W3 | 1 | 60 | 30 | 2.00 |  |",
    ]


def run_of(threads):
    """Rows of forward calls and of gradients: cyroi takes a second, Quick half a second alone and two in company."""
    forward = {"cyroi": 1.0, "Quick": 0.5 * threads**2, "torchvision": 1.5 + threads, "NumPy reference": 0.1}
    backward = {"to the maps": 1.0, "Quick to the boxes": 0.1, "torchvision to the maps": 30.0}
    return [Row(name, threads, forward) for name in WORKLOADS], [Row("W4", threads, backward)]


def test_the_summary_has_the_quickest_other_and_the_home_of_each_operator():
    (forward, backward), (more, more_backward) = run_of(1), run_of(2)
    forward, backward = forward + more, backward + more_backward
    titles = ["Quick", "torchvision", "TensorFlow"]
    rows = summary(forward, backward, titles, "A CPU.").splitlines()
    assert rows[0] == f"| {' | '.join(TITLES)} |"
    assert rows[2].endswith("Mask R-CNN (W1) | 1000 / 1000 | Quick 0.5 / 2 | torchvision 2.5 / 3.5 |")
    assert rows[4].endswith("(W4) | 1000 / 1000 | torchvision 30 / 30 | torchvision 30 / 30 |")
    assert "Threads: 1 / 2;" in summary(forward, backward, titles, "A CPU.")
    others = [Row(row.workload, row.threads, row.seconds | {"Quick": 9.0 / row.threads}) for row in forward]
    assert "| torchvision 2.5 / 3.5 |" in summary(others, backward, titles, "").splitlines()[2]
    assert "| torchvision 2.5 / Quick 2 |" in summary(
        [Row(row.workload, row.threads, row.seconds | {"Quick": 6.0 - 2 * row.threads}) for row in forward],
        backward,
        titles,
        "",
    )
    without = summary(forward, backward, ["Quick"], "")
    assert without.splitlines()[2].endswith("| Quick 0.5 / 2 | not timed / not timed |")


def test_a_run_without_one_of_its_rows_gives_no_summary():
    forward, backward = run_of(1)
    assert summary(forward, backward, ["Quick"], "") is not None
    assert summary(forward, [], ["Quick"], "") is None
    for shown in SHOWN:
        rest = [row for row in forward if row.workload != shown.workload]
        assert (summary(rest, backward, ["Quick"], "") is None) == (shown.what == "cyroi")


# --- where they go ----------------------------------------------------------------------------------------------------


def test_only_the_marked_part_is_replaced():
    text = f"before | a |\n\n{BEGIN}\nold\n{END}\nafter\n"
    new = replace_marked(text, "| new |\n")
    assert new == f"before | a |\n\n{BEGIN}\n\n| new |\n\n{END}\nafter\n"
    assert replace_marked(new, "| new |") == new


@pytest.mark.parametrize(
    "text", ["", BEGIN, END, END + BEGIN, BEGIN + END + END, BEGIN + BEGIN + END, END + BEGIN + END]
)
def test_without_one_marked_part_nothing_is_replaced(text):
    with pytest.raises(ValueError, match="expected one line"):
        replace_marked(text, "new")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_documents_have_their_marked_part(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    before, _, after = replace_marked(text, "THE TABLE").partition("THE TABLE")
    assert text.startswith(before.rstrip())
    assert text.endswith(after.lstrip())


# --- what they show ---------------------------------------------------------------------------------------------------


def cells(text):
    """The cells of every table in the text: by the title of the third column, then by workload, threads and title."""
    tables = {}
    for part in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
        titles, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]
        tables[titles[2]] = {
            (line[0], line[1], title): cell for line in lines for title, cell in zip(titles, line, strict=True)
        }
    return tables


def parts(cell):
    """Title and number for each number of threads of a cell such as "OpenCV 0.9 / 2" ("not" and "timed")."""
    title = None
    for part in cell.split(" / "):
        *other, value = part.rsplit(" ", 1)
        title = other[0] if other else title
        yield title, value


def test_the_readme_shows_the_figures_of_the_whole_table():
    whole, text = cells(marked("docs/performance.md")), marked("README.md")
    short = re.findall(r"^\| (.*) \((\w+)\) \| (.*) \| (.*) \| (.*) \|$", text, re.M)
    threads = re.search(r"Threads: (.*?);", text)[1].split(" / ")
    assert [row[:2] for row in short] == [(it.meaning, it.workload) for it in SHOWN]
    for shown, (_, workload, milliseconds, quickest, home) in zip(SHOWN, short, strict=True):
        table = whole[shown.what]
        assert milliseconds.split(" / ") == [table[workload, count, shown.what] for count in threads]
        for count, (title, value) in zip(threads, parts(quickest), strict=True):
            ratios = [table.get((workload, count, peer), "").partition("(")[2].rstrip(")") for peer in peers.PEERS]
            assert float(value) == min(float(ratio) for ratio in ratios if ratio)
            assert table[workload, count, title].endswith(f"({value})")
        for count, (title, value) in zip(threads, parts(home), strict=True):
            assert value == "timed" or table[workload, count, title].endswith(f"({value})")
