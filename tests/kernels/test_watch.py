"""Law: a team that lost to other processes is done without for a while, in proportion; one that paid is used again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CYROI = Path(__file__).parents[2] / "cyroi"
PROGRAM = """
#include <cstdio>
#include <thread>
#include "call/watch.h"

using namespace cyroi;

static void spend(double time) {
    const double began = processor_seconds();
    while (processor_seconds() - began < time) {}
}

/* A phase of items that take `worked` seconds of processor time in all, whose last thread comes after `waited`. */
static bool pays(double worked, double waited) {
    Watch watch;
    watch.begin();
    const double began = processor_seconds();
    spend(worked);
    watch.add(processor_seconds() - began);
    std::this_thread::sleep_for(std::chrono::duration<double>(waited));
    watch.judge();
    return teams_pay();
}

int main() {
    patience() = 0;
    std::printf("%d ", pays(0.001, 0.05));
    patience() = 1e6; /* the longest time is a second: more than a loaded machine takes to ask */
    std::printf("%d ", pays(0.001, 0.05));
    alone_until().store(seconds() - 1);
    std::printf("%d ", teams_pay());
    Watch idle;
    idle.start(false);
    std::printf("%d ", idle.is_due());
    idle.start(true);
    const bool first = idle.is_due();
    std::this_thread::sleep_for(std::chrono::duration<double>(2 * kLookSeconds));
    std::printf("%d %d %d", first, idle.is_due(), idle.stopped());
    idle.stop();
    std::printf(" %d", idle.stopped());
}
"""


def test_the_watch(tmp_path):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler on the path")
    source = tmp_path / "watch.cpp"
    source.write_text(PROGRAM)
    command = [compiler, "-std=c++14", "-pthread", f"-I{CYROI / 'include'}", f"-I{CYROI / 'cpu'}", source]
    subprocess.run([*command, "-o", tmp_path / "watch"], check=True)
    shown = subprocess.run([tmp_path / "watch"], check=True, capture_output=True, text=True).stdout.split()
    #       patience 0   lost   a second later   not interruptible   first look   due   not stopped   stopped
    assert shown == ["1", "0", "1", "0", "0", "1", "0", "1"]
