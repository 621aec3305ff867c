"""ci/gpu.sh: everything that only a device can say of cyroi, in parts, each with a process and a time of its own.

`__main__` runs them and prints the tables, `parts` is the process of one, `machine` the device: a real one, or with
--dry-run the tests' emulator, so that every line but those of CUDA itself runs anywhere.
"""
