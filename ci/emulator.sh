#!/usr/bin/env bash
# The GPU's kernels on the emulator (tests/support/cuda) under the address sanitizer and the one of undefined behaviour:
# laws of all routes and types, each call with threads in several orders. Takes five minutes; `ci/emulator.sh TESTS`
# takes others. Needs CuPy (group "gpu") and g++, no GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
libraries=$(g++ -print-file-name=libasan.so):$(g++ -print-file-name=libubsan.so)
# Python frees nothing at its end, and fibers come and go on stacks of their own.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:handle_sigill=1
if [ $# = 0 ]; then
    set -- tests/kernels/test_gpu_emulator.py tests/kernels/test_gpu_mutants.py tests/laws/test_invariance.py \
        tests/laws/test_gradients.py tests/laws/test_storage.py tests/laws/test_boxes_of_several_types.py
fi
# Without what is wrong on purpose, but for what shows that the sanitizer is there.
LD_PRELOAD=$libraries python -m pytest -q -p no:cacheprovider \
    -k "gpu and not planted and not barrier and not error and not beside" "$@"
LD_PRELOAD=$libraries python -m pytest -q -p no:cacheprovider -k sanitizer tests/kernels/test_gpu_emulator.py
