"""Who may be timed beside cyroi: those whose result is cyroi's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from .contender import Array, Contender, Maker, difference


@dataclass(frozen=True)
class Asked:
    """What all contenders of one row of a table are asked for, and cyroi's answer."""

    title: str
    arguments: dict[str, Any]
    shape: tuple[int, ...]
    threads: int
    answer: Array
    largest: float  # differences are relative to this: the largest value of the maps, or of the gradient


def agreeing(
    asked: Asked, makers: dict[str, Maker], notes: list[str], required: Collection[str] = ()
) -> dict[str, Contender]:
    """The contenders that compute what cyroi does; a note on each of the others, an error where one is `required`."""
    contenders = {}
    for label, maker in makers.items():
        try:
            contender = maker(asked.arguments, asked.shape, asked.threads)
            contender.run()
            apart = difference(contender, asked.answer, asked.largest)
            if not apart <= contender.tolerance:
                raise ValueError(f"its result differs from cyroi's by {apart:.1e} of the largest value")
        except Exception as error:  # whatever a peer raises, the others are still worth their time
            if label in required:
                raise
            first = (str(error).strip() or repr(error)).splitlines()[0]
            notes.append(f"{label} on {asked.title}, threads: {asked.threads}: {first}")
        else:
            contenders[label] = contender
    return contenders


def largest_value(array: Array) -> float:
    return float(np.abs(array).max())
