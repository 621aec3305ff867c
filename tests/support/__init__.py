"""What several tests use: calls, comparisons, wrong kernels and gradients, processes. No test file imports another.

`from support.laws import assert_same_bits` works in every test, because pyproject.toml puts the folder `tests` on
pytest's path; a process of its own is started with that folder on its path (`processes.py`) or in it.
"""
