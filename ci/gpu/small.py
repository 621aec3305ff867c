"""Small calls of every route and type of kernel, for a sanitizer:  python -P -m gpu.small [--dry-run]

Every array has memory of its own from the driver, so that what a kernel touches beside it is seen.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np

from .contenders import ROUTES
from .laws import call_of, directions, outcome, there
from .machine import Machine, forced


def main(*options: str) -> None:
    from support.operators import OPERATORS

    dry = "--dry-run" in options
    if not dry:
        import cupy

        cupy.cuda.set_allocator(None)
    machine = Machine(dry=dry)
    for operator, layout, channels in itertools.product(OPERATORS, ("NCHW", "NHWC"), (3, 36)):
        call = call_of(operator, np.random.default_rng(channels), "float32", layout, channels)
        for direction, _, arguments in directions(operator, call, outcome(operator.function, call)):
            function = operator.backward if "grad_output" in arguments else operator.function
            for route in (None, *ROUTES[direction]):
                with forced(route):
                    outcome(function, there(machine, operator, arguments, boxes=True))
    machine.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
