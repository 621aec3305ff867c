#!/usr/bin/env bash
# The laws of values on a build whose tiles, chunks, tables, rooms and caches are tiny (cpu/call/sizes.h), on every SIMD
# target that this CPU has: small calls then take every turn that large ones take in the ordinary build. The build is a
# trial of setup.py as well: no compiler may warn, and the flags of people who want fast mathematics change nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp -r setup.py pyproject.toml README.md LICENSE licenses cyroi docs tests "$root"
cd "$root"
find . -name "*.so" -delete
fast="-Ofast -ffast-math -funsafe-math-optimizations"
CFLAGS=$fast CXXFLAGS=$fast CPPFLAGS=$fast LDFLAGS=$fast CYROI_WERROR=1 CYROI_TINY=1 \
    python setup.py --quiet build_ext --inplace
python - <<'EOF'
import sys
import numpy as np
import cyroi
assert sys.float_info.min / 4 > 0, "cyroi flushes subnormals to zero in the whole process"
for boxes in ([[0, 1, 1, np.nan, 5]], np.float32([[0, 1, 1, np.nan, 5]])):
    try:
        cyroi.roi_align(np.ones((1, 1, 9, 9), np.float32), boxes, 3)
    except ValueError:
        continue
    sys.exit("a box of NaN passes unnoticed")
EOF
python -c "from cyroi.cpu import _separable; assert _separable.SIZES['kTile'][0] < 16, 'this is not the tiny build'"
files=(tests/laws/test_{reference,invariance,storage,gradients}.py tests/kernels/test_{streams,sizes}.py)
files+=(tests/faces/test_c_api.py)
# Few random calls, and not the long rows of the other laws: in tiles of a few bins they take minutes.
export CYROI_HYPOTHESIS_PROFILE=few OMP_WAIT_POLICY=passive # the smallest call has threads here, and they wait a lot
for target in $(python -c "from cyroi.cpu import _targets; print(*(name for name in _targets.supported if _targets.supported[name]))"); do
    echo "tiny sizes, $target"
    CYROI_CPU_CAPABILITY=$target python -m pytest -q -x -p no:cacheprovider "${files[@]}" -k "not wide and not many"
done
