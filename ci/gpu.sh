#!/usr/bin/env bash
# Everything that only a GPU can say of this checkout, in at most 8 minutes, results as they come and tables last:
# whether it computes what the CPU computes, gradient bits, compile times, overhead of a call, and the workloads beside
# torchvision and a variant with atomics.
#
#   ci/gpu.sh [--parts "machine,speed of W1"] [--seconds 470] [--json FILE] [--write] [--dry-run]
#
# --write puts the tables into docs/performance.md. --dry-run needs no GPU: the tests' emulator runs tiny workloads.
# Needs Python >= 3.11 with NumPy and CuPy, and a C++ compiler; torch with torchvision, hypothesis, ncu and
# compute-sanitizer take part where they are. What is missing is installed if pip can, and otherwise said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
export PYTHONPATH="$PWD:$PWD/ci:$PWD/asv_benchmarks:$PWD/tests${PYTHONPATH:+:$PYTHONPATH}"
has() { "$python" -P -c "import $1" 2>/dev/null; }

if ! has cupy; then
    # Of the CUDA that the driver is made for; beside what is installed, so that torch is still found.
    cuda=$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: \([0-9]*\).*/\1/p')
    [ -x build/gpu-venv/bin/python ] || "$python" -m venv --system-site-packages build/gpu-venv
    python=build/gpu-venv/bin/python
    timeout 90 "$python" -m pip install --quiet "cupy-cuda${cuda:-13}x>=13.6" "cuda-toolkit[nvrtc,cudart]==${cuda:-13}.*" ||
        echo "CuPy is not here and cannot be installed" >&2
fi
if ! has cyroi.cpu._separable; then
    has Cython || timeout 60 "$python" -m pip install --quiet "Cython>=3.1" "setuptools>=77" || true
    "$python" setup.py --quiet build_ext --inplace --parallel "$(nproc)"
fi
exec "$python" -P -m gpu --seconds "$((470 - SECONDS))" "$@" # SECONDS: since this script began
