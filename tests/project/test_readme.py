"""The code of README and its sisters runs, and README's table of conventions is what peers were compared with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.peers.case import load, version
from support.peers.tables import TABLES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# --- its code ---------------------------------------------------------------------------------------------------------

PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
RUN_HERE = ["README.md", "docs/differences.md"]
RUN_ELSEWHERE = {"docs/c_api.md", "docs/gpu.md"}  # by tests/faces/test_c_api_users.py, by test_gpu_document.py


@pytest.mark.parametrize("document", RUN_HERE)
def test_the_code_of_a_document_runs_in_its_order(document, tmp_path, monkeypatch):
    text = (ROOT / document).read_text(encoding="utf-8")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for block in PYTHON.finditer(text):
        lines_before = text[: block.start(1)].count("\n")
        exec(compile("\n" * lines_before + block[1], str(ROOT / document), "exec"), names)
    assert "cyroi" in names


def test_no_other_document_has_code_that_nobody_runs():
    documents = {str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]}
    assert "docs/performance.md" in documents
    with_code = {name for name in documents if PYTHON.search((ROOT / name).read_text(encoding="utf-8"))}
    assert with_code == {*RUN_HERE, *RUN_ELSEWHERE}


# --- its table of conventions -----------------------------------------------------------------------------------------

NOT_RUN = "their source, not run"


def aligned(*values):
    """Whether a stored case of roi_align is of one of these modes, which it says in words of cyroi."""
    return lambda case: case.operator == "roi_align" and case.arguments["aligned"] in values


def cropped(case):
    return case.operator == "crop_and_resize"


# How a row begins, the peer that it is of, and which of its stored cases are of this row (each must be there); no peer:
# it was not run.
ROWS = [
    ("`torchvision.ops.roi_align(", "torchvision", [aligned(False), aligned(True)]),
    ("detectron2 `ROIAlign`", None, []),
    ("ONNX `RoiAlign`, avg, `half_pixel`", "onnx", [aligned(True), lambda case: case.variant == "node test"]),
    ("ONNX `RoiAlign`, avg, `output_half_pixel`, and opset 10", "onnx", [
        lambda case: aligned(False)(case) and case.variant == "opset 16",
        lambda case: case.variant == "opset 10",
    ]),
    ("OpenVINO `ROIAlign`", "openvino", [aligned(False), aligned(True)]),
    ("PaddlePaddle `roi_align", "paddle", [
        lambda case: aligned(False)(case) and case.variant == "list",
        lambda case: aligned(True)(case) and case.variant == "list",
    ]),
    ("`tf.image.crop_and_resize(", "tensorflow", [cropped]),
    ("ONNX Runtime `CropAndResize`", "onnx", [cropped]),
]  # fmt: skip


def conventions():
    """The rows of the table, as lists of cells."""
    part = README.partition("\n## Conventions\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.*) \|$", part, re.M)
    return [line.split(" | ") for line in lines if line.split(" | ")[0] != "implementation"]


def test_each_row_of_the_table_is_compared_with_stored_results_or_says_that_it_is_not():
    rows = conventions()
    assert len(rows) == len(ROWS)
    for (implementation, _, compared), (beginning, peer, kinds) in zip(rows, ROWS, strict=True):
        assert implementation.startswith(beginning)
        assert compared == (NOT_RUN if peer is None else ", ".join(version(peer)))
        for kind in kinds:
            assert any(map(kind, load(peer))), implementation


def test_each_stored_peer_has_a_row():
    assert {peer for _, peer, _ in ROWS if peer} == set(TABLES)
