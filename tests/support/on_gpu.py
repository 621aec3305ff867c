"""Calls with arrays on a device, made by hand: genuine CuPy arrays over memory of the host, on the emulator.

(The laws of support/gpu_laws.py are moved there by backend.py; here a test says itself what lies where.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from . import gpu_laws, written


@pytest.fixture
def gpu() -> Iterator[None]:
    """The emulator instead of a device."""
    if not gpu_laws.is_here():
        pytest.skip("needs CuPy and a C++ compiler")
    from .cuda import backend

    with backend.installed():
        yield


def there(value: Any, device: int = 0) -> Any:
    """On the device: the same memory. Of a list or tuple, each array; anything else stays what it is."""
    from .cuda.device import on_device

    if isinstance(value, (list, tuple)):
        return type(value)(there(part, device) for part in value)
    return on_device(value, device) if isinstance(value, np.ndarray) else value


def here(value: Any) -> Any:
    """In the memory of the host, which it never left."""
    import cupy

    from .cuda.device import on_host

    if isinstance(value, (list, tuple)):
        return type(value)(map(here, value))
    assert isinstance(value, cupy.ndarray), f"{type(value).__name__} on the host"
    return on_host(value)


def once(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The function as it is: results on a device are no NumPy arrays, which `twice` asks for.

    What kernels do not write there is seen all the same: new memory of the emulator is poison.
    """
    return written.plain(function)(*args, **kwargs)


def moved(call: dict[str, Any], *names: str) -> dict[str, Any]:
    """The call with these arguments on the device."""
    return call | {name: there(call[name]) for name in names if name in call}


@contextlib.contextmanager
def counted(name: str) -> Iterator[list[Any]]:
    """The arguments of each call of a function of `cyroi.gpu.device`."""
    from cyroi.gpu import device

    kept, calls = getattr(device, name), []

    def counting(*arguments: Any) -> Any:
        calls.append(arguments)
        return kept(*arguments)

    setattr(device, name, counting)
    try:
        yield calls
    finally:
        setattr(device, name, kept)
