#!/usr/bin/env bash
# Style and types: ruff, cython-lint, clang-format, mypy. `ci/lint.sh --fix` mends what can be mended.
# Needs the packages of the group "lint" in pyproject.toml: python -m pip install --group lint
set -euo pipefail
cd "$(dirname "$0")/.."
headers=(cyroi/include/cyroi/*.h cyroi/include/cyroi/planners/*.h cyroi/cpu/*.h cyroi/cpu/*/*.h cyroi/gpu/kernels/*.h cyroi/gpu/kernels/*.cu ci/bench/*.c ci/device/*.cu ci/gpu/*.cu tests/c_api/*.c tests/support/cuda/*.h tests/support/cuda/*.cc)
if [ "${1:-}" = "--fix" ]; then
    ruff format .
    ruff check --fix .
    clang-format -i "${headers[@]}"
fi
ruff format --check .
ruff check .
cython-lint cyroi tests/c_api
clang-format --dry-run --Werror "${headers[@]}"
mypy
