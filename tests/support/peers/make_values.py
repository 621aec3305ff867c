"""Ask a peer for the results of its table of cases and store them: ``python -m support.peers.make_values <peer>``.

Run it in the folder ``tests``, in an environment with NumPy and the peer ("onnx": onnx and onnxruntime).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from dataclasses import replace

import numpy as np

from . import node_tests
from .case import Case, save
from .runners import RUNNERS
from .tables import TABLES

DISTRIBUTIONS = {
    "torchvision": ["torchvision"],
    "tensorflow": ["tensorflow", "tensorflow-cpu"],
    "onnx": ["onnxruntime", "onnx"],
    "openvino": ["openvino"],
    "paddle": ["paddlepaddle"],
}


def answered(case: Case, peer: str) -> Case:
    """The case with the peer's result, which must be defined."""
    expected = RUNNERS[peer](case)
    if not np.isfinite(expected).all():
        raise SystemExit(f"{peer} gives NaN or infinity for {case.name}: leave that out, and say so in tables.py")
    return replace(case, expected=expected)


def version(peer: str) -> str:
    """Distributions with their versions, and the machine, whose wheel may round otherwise than another's."""
    versions = []
    for name in DISTRIBUTIONS[peer]:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join([*versions, platform.machine()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=TABLES)
    peer = parser.parse_args().peer
    cases = [answered(case, peer) for case in TABLES[peer](0, 1)]
    if peer == "onnx":
        stored = [case for case in node_tests.load() if "mode" not in case.arguments]
        exact = [replace(case, variant="opset 16", printed_error=0.0) for case in stored]
        cases += stored + [answered(case, peer) for case in exact]
    path = save(peer, version(peer), cases)
    boxes = sum(len(case.boxes) for case in cases)
    print(f"{path.name}: {len(cases)} cases, {boxes} boxes, {path.stat().st_size} bytes, {version(peer)}")


if __name__ == "__main__":
    main()
