"""Times cyroi beside its peers and prints a Markdown table; ci/bench.sh runs it in an environment of its own.

All contenders compute the same workload in one process and take turns, so that a slow minute of the machine hits all
of them. Before anything is timed, their results must agree.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
from numpy.typing import NDArray
from onnx import TensorProto, helper
from openvino import opset9

import cyroi
from cyroi.reference import oracle

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "asv_benchmarks"))
from benchmarks.workloads import WORKLOADS

Call = Callable[[], NDArray[Any]]
# From the arguments of the cyroi call, the array for the result and the number of threads to the call that is timed.
# What it returns must own or hold all arrays: runtimes only point to memory that they are told to share.
Contender = Callable[[dict[str, Any], NDArray[np.float32], int], Call]

TOLERANCE = 1e-5  # of the largest map value
SAMPLE_SECONDS = 0.02  # shorter calls are repeated until a sample takes this long
LONG = ("W8",)  # only when asked for: a call of the peers takes a minute or two
SMALL = ("W2", "W5_1", "W5_10", "W7", "smallest_roi", "smallest_crop")  # where the reference takes part


def with_cyroi(operator: str, arguments: dict[str, Any], out: NDArray[np.float32], threads: int) -> Call:
    return partial(getattr(cyroi, operator), **arguments, out=out, num_threads=threads)


def with_reference(operator: str, arguments: dict[str, Any], out: NDArray[np.float32], threads: int) -> Call:
    return partial(getattr(oracle, operator), **arguments, out=out)


def onnxruntime_roi_align(arguments: dict[str, Any], out: NDArray[np.float32], threads: int) -> Call:
    boxes = arguments["boxes"]
    inputs = {
        "input": arguments["input"],
        "boxes": np.ascontiguousarray(boxes[:, 1:]),
        "images": boxes[:, 0].astype(np.int64),
    }
    attributes = {
        "mode": "avg",
        "output_height": arguments["output_size"],
        "output_width": arguments["output_size"],
        "sampling_ratio": arguments["sampling_ratio"],
        "spatial_scale": arguments["spatial_scale"],
        "coordinate_transformation_mode": "half_pixel" if arguments["aligned"] else "output_half_pixel",
    }
    node = helper.make_node("RoiAlign", list(inputs), ["result"], **attributes)
    inputs_info = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in inputs.items()
    ]
    result_info = helper.make_tensor_value_info("result", TensorProto.FLOAT, out.shape)
    graph = helper.make_graph([node], "roi_align", inputs_info, [result_info])
    opset = helper.make_opsetid("", 16)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=helper.find_min_ir_version_for([opset]))
    onnx.checker.check_model(model)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, value in inputs.items():
        copy = onnxruntime.OrtValue.ortvalue_from_shape_and_type(value.shape, value.dtype)
        copy.update_inplace(value)
        binding.bind_ortvalue_input(name, copy)
    binding.bind_ortvalue_output("result", onnxruntime.OrtValue.ortvalue_from_numpy(out))

    def call() -> NDArray[Any]:
        session.run_with_iobinding(binding)
        return out

    return call


def openvino_roi_align(arguments: dict[str, Any], out: NDArray[np.float32], threads: int) -> Call:
    boxes = arguments["boxes"]
    inputs = [arguments["input"], np.ascontiguousarray(boxes[:, 1:]), boxes[:, 0].astype(np.int32)]
    parameters = [opset9.parameter(value.shape, value.dtype) for value in inputs]
    result = opset9.roi_align(
        *parameters,
        pooled_h=arguments["output_size"],
        pooled_w=arguments["output_size"],
        sampling_ratio=arguments["sampling_ratio"],
        spatial_scale=arguments["spatial_scale"],
        mode="avg",
        aligned_mode="half_pixel_for_nn" if arguments["aligned"] else "asymmetric",
    )
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # its default is bfloat16 where the CPU has it
    }
    model = openvino.Core().compile_model(openvino.Model([result], parameters), "CPU", settings)
    request = model.create_infer_request()
    for index, value in enumerate(inputs):
        request.set_input_tensor(index, openvino.Tensor(value))
    request.set_output_tensor(openvino.Tensor(out, shared_memory=True))

    def call() -> NDArray[Any]:
        request.infer()
        return out

    return call


# A new peer is one function above and one row here.
PEERS: dict[str, dict[str, Contender]] = {
    "roi_align": {"ONNX Runtime": onnxruntime_roi_align, "OpenVINO": openvino_roi_align},
    "crop_and_resize": {},
}


def prepare(name: str, threads: int) -> dict[str, Call]:
    """The calls of all contenders on one workload, `cyroi` first."""
    workload = WORKLOADS[name]
    contenders = {"cyroi": partial(with_cyroi, workload.operator), **PEERS[workload.operator]}
    if name in SMALL:
        contenders["NumPy reference"] = partial(with_reference, workload.operator)
    arguments = workload.arguments()
    # Each has a result array of its own, full of NaN: what it does not write cannot pass for computed.
    results = {label: np.full(workload.result_shape, np.nan, np.float32) for label in contenders}
    calls = {label: contender(arguments, results[label], threads) for label, contender in contenders.items()}
    largest = float(np.abs(arguments[workload.maps]).max())
    for label, call in calls.items():
        call()
        difference = float(np.abs(results[label] - results["cyroi"]).max()) / largest
        if not difference <= TOLERANCE:
            raise SystemExit(f"{name}: {label} and cyroi differ by {difference:.1e} of the largest map value")
    return calls


def wait_until_idle() -> None:
    """Pools keep spinning for up to 50 ms after their work; on few cores that would slow the next contender."""
    for _ in range(50):
        before = time.process_time()
        time.sleep(0.01)
        if time.process_time() - before < 0.001:
            return


def sample(call: Call, count: int) -> float:
    wait_until_idle()
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def repetitions(call: Call) -> int:
    """How many calls a sample takes: a first estimate from one cold call, a better one from that many."""
    count = math.ceil(SAMPLE_SECONDS / sample(call, 1))
    return count if count == 1 else math.ceil(SAMPLE_SECONDS / sample(call, count))


def medians(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Median seconds per call. Each round has an order of its own, so that nobody always follows the same contender."""
    counts = {label: repetitions(call) for label, call in calls.items()}
    samples: dict[str, list[float]] = {label: [] for label in calls}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for label in rng.permutation(list(calls)):
            samples[label].append(sample(calls[label], counts[label]))
    return {label: statistics.median(times) for label, times in samples.items()}


def digits(value: float, count: int) -> str:
    return f"{float(f'{value:.{count}g}'):g}"


def row(name: str, threads: int, seconds: dict[str, float], columns: list[str]) -> str:
    cells = {label: digits(1e3 * value, 3) for label, value in seconds.items()}
    ratios = {label: digits(value / seconds["cyroi"], 2) for label, value in seconds.items()}
    peers = [f"{cells[label]} ({ratios[label]})" if label in cells else "" for label in columns]
    return f"| {' | '.join([name, str(threads), cells['cyroi'], *peers])} |"


def main() -> None:
    options = parse_options()
    columns = list(dict.fromkeys([label for peers in PEERS.values() for label in peers] + ["NumPy reference"]))
    print(describe(options.rounds), end="\n\n")
    print(f"| workload | threads | cyroi | {' | '.join(columns)} |")
    print("|---" * 2 + "|--:" * (1 + len(columns)) + "|")
    for name in options.workloads:
        for threads in options.threads:
            seconds = medians(prepare(name, threads), options.rounds)
            print(row(name, threads, seconds, columns), flush=True)


def describe(rounds: int) -> str:
    modules = [f"{module.__name__} {module.__version__.partition('-')[0]}" for module in (np, onnxruntime, openvino)]
    return (
        f"cyroi {cyroi.__version__} ({cyroi.show_config()['cpu_capability']}), {', '.join(modules)}; {cpu()}.\n"
        f"Milliseconds per call, median of {rounds} interleaved rounds; in brackets: times as long as cyroi. float32.\n"
        "Every contender writes into a result array that exists already (cyroi: `out=`). The NumPy reference computes\n"
        "in float64 on one thread, on the small workloads only. All results agree to within\n"
        f"{TOLERANCE:g} of the largest map value."
    )


def cpu() -> str:
    """Model and number of the CPUs, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    count = cyroi.show_config()["affinity"]
    return f"{models[0] if models else platform.processor() or platform.machine()}, {count} CPUs"


def integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def parse_options() -> argparse.Namespace:
    default = [name for name, workload in WORKLOADS.items() if PEERS[workload.operator] and name not in LONG]
    parser = argparse.ArgumentParser(description=__doc__)
    some = f"some of {','.join(WORKLOADS)}; default: {','.join(default)}"
    parser.add_argument("--workloads", default=",".join(default), help=some)
    parser.add_argument("--rounds", type=int, default=7, help="samples of each contender; default: 7")
    parser.add_argument("--threads", type=integers, default=[1, 2], help="default: 1,2")
    options = parser.parse_args()
    options.workloads = options.workloads.split(",")
    if unknown := set(options.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    if min(options.rounds, *options.threads) < 1:
        parser.error("--rounds and --threads must be at least 1")
    return options


if __name__ == "__main__":
    main()
