"""Gradients have the same bits every time: 20 calls, beside other work on the device, and equal to the CPU's."""

from __future__ import annotations

import itertools
import zlib
from typing import TYPE_CHECKING

from .cases import DTYPES, LAYOUTS, TO_BOXES, TO_MAPS, Case
from .contenders import Inputs, ours
from .laws import apart, bits, fused

if TYPE_CHECKING:
    from .parts import Run

REPEATS = 20


def run(run: Run) -> None:
    machine = run.machine()
    repeats = 2 if run.dry else REPEATS
    for name, dtype, layout in itertools.product(("W1", "W7"), DTYPES, LAYOUTS):
        case = Case(name, dtype, layout, tiny=run.dry)
        inputs = Inputs(machine, case, 1)
        for direction in (TO_MAPS, TO_BOXES):
            if run.left < 2:
                run.say("no time left")
                return
            contender, expected = ours(inputs, direction), case.expected(direction)
            sums = set()
            for _ in range(repeats):
                machine.flush()
                contender.calls[0]()
                got = contender.result()
                sums.add(zlib.crc32(got))
            where = f"{name}, {dtype}, {layout}, {direction}"
            same = int((bits(got) == bits(expected)).sum())
            if len(sums) != 1:
                run.fail(f"{where}: {len(sums)} different results of {repeats} calls")
            if same < got.size and ((direction == TO_MAPS and fused()) or apart(got, expected)):
                run.fail(f"{where}: {got.size - same} of {got.size} values are not the CPU's")
            run.record(repeats=where, calls=repeats, results=len(sums), values=got.size, same=same)
            run.say(f"{where}: {repeats} calls, {len(sums)} result; {same} of {got.size} values have the CPU's bits")
