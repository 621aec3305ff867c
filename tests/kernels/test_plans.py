"""Law of plans: counting tells what writing does, turned taps are the taps in the order of their pixels, and a planner
may weigh as it likes.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("device_plan", ROOT / "ci" / "device" / "plan.py")
device_plan = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(device_plan)

COUNTS = slice(device_plan.Y_COUNT, device_plan.X_COUNT + 1)

# A planner without samples: bin p covers [p * size / bins, (p + 1) * size / bins), each pixel by its share of that.
INTEGRAL = """
#include <cstdio>
#include "cyroi/plan.h"
struct Coverage {
    struct Axis { double length; cyroi::index size; };
    CYROI_HD Axis axis(double lo, double hi, cyroi::index bins, cyroi::index size) const {
        return Axis{(hi - lo) / static_cast<double>(bins), size};
    }
    CYROI_HD static cyroi::index capacity(const Axis& a, cyroi::index bins) { return a.size + 2 * bins; }
    template <class W>
    CYROI_HD void bin(const Axis& a, cyroi::index p, W& taps) const {
        const double lo = a.length * static_cast<double>(p), hi = lo + a.length;
        for (cyroi::index i = 0; i < a.size; ++i) {
            const double from = static_cast<double>(i), to = from + 1;
            const double covered = cyroi::smaller(to, hi) - cyroi::larger(from, lo);
            if (covered > 0) taps.add(i, cyroi::Numbers<1>{covered / a.length});
        }
    }
};
int main() {
    const Coverage planner;
    const Coverage::Axis axis = planner.axis(0, 5, 2, 5);
    int pixels[9], ends[2];
    float weights[9];
    cyroi::TapWriter<float, 1> writer(cyroi::Taps<float, 1>{pixels, {weights}}, planner.capacity(axis, 2));
    cyroi::plan_bins(planner, axis, 0, 2, writer, ends);
    for (int t = 0; t < writer.count(); ++t) std::printf("%d %d %.9g ", t < ends[0] ? 0 : 1, pixels[t], weights[t]);
}
"""


@pytest.fixture(scope="module")
def compiler():
    found = shutil.which("c++") or shutil.which("g++")
    if found is None:
        pytest.skip("no C++ compiler on the path")
    return found


@pytest.fixture(scope="module")
def planned(compiler, tmp_path_factory):
    """Every kind of work with what was planned for it."""
    host = device_plan.Host(tmp_path_factory.mktemp("host"), compiler)
    rng = np.random.default_rng(0)
    cases = []
    for work, geometry, real in device_plan.works():
        boxes = device_plan.random_boxes(rng, work, geometry)
        cases.append((work, device_plan.plan(host, work, boxes, real)))
    return cases


def test_counting_gives_what_writing_gives(planned):
    for _, memory in planned:
        counted, written = (np.ascontiguousarray(memory[name][:, :2]).swapaxes(0, 1) for name in ("plans", "ends"))
        for first, second in (counted, written):
            np.testing.assert_array_equal(first, second)
        assert np.all(memory["plans"][:, 1, COUNTS].sum(axis=1) <= memory["capacity"])
    assert sum(memory["plans"][:, 0, COUNTS].sum() for _, memory in planned) > 100_000


def test_columns_are_those_that_a_tap_reads(planned):
    for _, memory in planned:
        for _, _, _, at, _, count, first, span in memory["plans"][:, 1]:
            pixels = memory["pixels"][0, at : at + count]
            assert (first, span) == ((pixels.min(), np.ptp(pixels) + 1) if count else (0, 0))


def test_derivatives_leave_the_weights_as_they_are(planned):
    for _, memory in planned:
        for (_, _, at, _, count, *_), (_, _, _, _, more, *_) in memory["plans"][:, 1:]:
            weights = memory["numbers"][1, at : at + more]
            assert weights[weights != 0].tobytes() == memory["numbers"][0, at : at + count].tobytes()


def bins_of(ends):
    return np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))


def check_turned(taps, numbers, bins, batch, shares, lines, count):
    order = np.lexsort((bins, taps, bins // batch))
    np.testing.assert_array_equal(shares["pixel"], taps[order])
    np.testing.assert_array_equal(shares["bin"], bins[order])
    assert shares["weight"].tobytes() == np.ascontiguousarray(numbers[:, order].T).tobytes()
    keys = np.stack([taps[order], (bins // batch)[order]], axis=1)
    last = np.flatnonzero(np.any(keys[1:] != keys[:-1], axis=1)).tolist() + [len(taps) - 1] * (len(taps) > 0)
    assert count == len(last)
    np.testing.assert_array_equal(lines["end"][:count], np.array(last, int) + 1)
    np.testing.assert_array_equal(lines["pixel"][:count], keys[last, 0])
    np.testing.assert_array_equal(lines["batch"][:count], keys[last, 1])


def test_turned_taps_are_the_taps_by_batch_pixel_and_bin(planned):
    for work, memory in planned:
        rows, columns = (int(work["op"]["tile"][name]) for name in ("bins_y", "bins_x"))
        for k in range(0, device_plan.BOXES, 5):
            _, _, at, _, count, *_ = memory["plans"][k, 1]
            part, bins = slice(at, at + count), bins_of(memory["ends"][k, 1, :rows])
            numbers, shares, lines = memory["numbers"][:1, part], memory["shares"][part], memory["lines"][0, part]
            batch = int(work["batch"])
            check_turned(memory["pixels"][0, part], numbers, bins, batch, shares, lines, memory["counts"][k, 0])
            _, _, _, at, _, count, *_ = memory["plans"][k, 2]
            part, bins = slice(at, at + count), bins_of(memory["ends"][k, 2, rows:])
            numbers, shares, lines = memory["numbers"][1:, part], memory["slopes"][part], memory["lines"][1, part]
            check_turned(memory["pixels"][1, part], numbers, bins, columns, shares, lines, memory["counts"][k, 1])


def test_a_planner_may_set_its_own_weights(compiler, tmp_path):
    source, program = tmp_path / "integral.cpp", tmp_path / "integral"
    source.write_text(INTEGRAL)
    command = [compiler, "-std=c++14", "-Wall", "-Wextra", "-Werror", f"-I{device_plan.INCLUDE}", source, "-o", program]
    subprocess.run(command, check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    taps = np.array(printed, float).reshape(-1, 3)
    np.testing.assert_array_equal(taps[:, :2], [[0, 0], [0, 1], [0, 2], [1, 2], [1, 3], [1, 4]])
    np.testing.assert_array_equal(np.float32(taps[:, 2]), np.float32([0.4, 0.4, 0.2, 0.2, 0.4, 0.4]))
