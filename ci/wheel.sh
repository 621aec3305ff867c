#!/usr/bin/env bash
# Builds the sdist, the wheel from it, and checks both; then tries the wheel in empty environments.
#
#   ci/wheel.sh [python ...]     interpreters for the trial, default: the active one
#
# The wheels land in dist/. Needs the packages of the group "wheel" in pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf dist
python -m build
check-sdist --no-isolation
twine check --strict dist/*
abi3audit --strict --summary dist/*.whl
check-wheel-contents dist/*.whl

root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for interpreter in "${@:-python}"; do
    for numpy in "numpy" "numpy==1.26.*"; do
        if [ "$numpy" != "numpy" ] && ! "$interpreter" -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then
            continue # NumPy 1.26 has no wheels for Python 3.13
        fi
        rm -rf "$scratch/env" "$scratch/example"
        "$interpreter" -m venv "$scratch/env"
        "$scratch/env/bin/python" -m pip install --quiet --only-binary=:all: "$numpy" "$root"/dist/*.whl
        (cd "$scratch" && env/bin/python -c '
import sys, numpy as np, cyroi
from cyroi.reference import oracle
maps, boxes = np.random.default_rng(0).standard_normal((1, 2, 9, 9), np.float32), [[0, 1, 1, 7, 6]]
assert abs(cyroi.roi_align(maps, boxes, 3) - oracle.roi_align(maps, boxes, 3)).max() < 1e-6
print("wheel works on Python", sys.version.split()[0], "with NumPy", np.__version__)')
        # docs/c_api.md: another package cimports the installed cyroi.
        "$scratch/env/bin/python" -m pip install --quiet "setuptools>=77" "Cython>=3.1"
        cp -r tests/c_api "$scratch/example"
        (cd "$scratch/example" && ../env/bin/python setup.py -q build_ext --inplace &&
            ../env/bin/python -c 'import crops, pooling; print("builds against it:", pooling.__name__, crops.__name__)')
    done
done
ls -l dist
