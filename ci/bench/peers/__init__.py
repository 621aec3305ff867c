"""The public implementations, one module each.

A module has a function for each operator that its library knows, named like the operator; it is a
`bench.contender.Maker`. `NOTE`, if there is one, says below the table what a reader must know of the peer.
A new peer is one module and one row here.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import packages_distributions, version
from types import ModuleType

from ..contender import Maker

# Title of the column: module in this package, and the package that it imports.
PEERS = {
    "ONNX Runtime": ("onnxruntime", "onnxruntime"),
    "OpenVINO": ("openvino", "openvino"),
    "MNN": ("mnn", "MNN"),
    "ncnn": ("ncnn", "ncnn"),
    "OpenCV": ("opencv", "cv2"),
    "torchvision": ("torchvision", "torchvision"),
    "TensorFlow": ("tensorflow", "tensorflow"),
}


def load() -> tuple[dict[str, ModuleType], list[str]]:
    """The modules of the peers that are here by title, and a line on each of the others."""
    modules, absent = {}, []
    for title, (module, _) in PEERS.items():
        try:
            modules[title] = import_module(f".{module}", __name__)
        except Exception as error:  # a broken library may raise anything; the others still count
            absent.append(f"{title}: not here ({error})")
    return modules, absent


def makers(modules: dict[str, ModuleType], operator: str) -> dict[str, Maker]:
    return {title: getattr(module, operator) for title, module in modules.items() if hasattr(module, operator)}


def versions(modules: dict[str, ModuleType]) -> list[str]:
    distributions = packages_distributions()
    return [f"{name} {version(name)}" for title in modules for name in distributions.get(PEERS[title][1], [])]
