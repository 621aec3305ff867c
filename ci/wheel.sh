#!/usr/bin/env bash
# Builds what people install: the sdist, and from it the wheel, with the OpenMP library that it needs inside. Checks both,
# and tries the wheel in empty environments, where the system's OpenMP library cannot be found.
#
#   ci/wheel.sh [python ...]     interpreters for the trial, default: the active one
#
# Both land in dist/. Needs the packages of the group "wheel" in pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly root=$PWD
readonly most=2000000 # bytes of the wheel
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The manylinux tag is that of the glibc here, or of an older one where nothing newer is asked for.
repair() { # wheel
    if [ "$(uname)" != Linux ]; then
        echo "not Linux: the wheel is not repaired, and needs the OpenMP library of its system"
        cp "$1" dist/
        return
    fi
    auditwheel repair --zip-compression-level 9 --wheel-dir dist "$1" >"$scratch/log" 2>&1 ||
        { cat "$scratch/log" && return 1; }
    # Nothing from the system but the libraries that every manylinux system has, and that NumPy needs as well.
    auditwheel show dist/*.whl
    python -m zipfile --list dist/*.whl >"$scratch/log"
    grep -q "cyroi.libs/libgomp" "$scratch/log" || { echo "the wheel does not carry libgomp" >&2 && return 1; }
}

check_size() { # the wheel, and what README.md says of it
    local bytes stated
    bytes=$(wc -c <"$1")
    stated=$(sed -n 's/.*One wheel of \([0-9.]*\) MB.*/\1/p' README.md)
    echo "the wheel has $bytes bytes; README.md says $stated MB"
    [ "$bytes" -le "$most" ] || { echo "that is more than $most" >&2 && return 1; }
    awk -v bytes="$bytes" -v stated="${stated:-0}" 'BEGIN { d = bytes / 1e6 - stated; exit !(d < 0.1 && d > -0.1) }' ||
        { echo "README.md is off by 0.1 MB or more" >&2 && return 1; }
}

# Runs a command where libgomp.so.1 is an empty file, for this command alone: a mount of its own, which ends with it.
without_libgomp() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    # shellcheck disable=SC2016
    unshare "${as_root[@]}" --mount bash -euc '
        for folder in $(PATH=$PATH:/usr/sbin:/sbin ldconfig -p | sed -n "s/.*libgomp\.so\.1 .*=> \(.*\)/\1/p"); do
            mount --bind "$0" "$(realpath "$folder")"
        done
        exec "$@"' "$scratch/empty" "$@"
}

# A wheel that was not repaired has to fail there, or the trial of the other would mean nothing.
check_trial() { # wheel as it was built
    : >"$scratch/empty"
    if [ "$(uname)" != Linux ] || ! without_libgomp true 2>"$scratch/refused"; then
        echo "WARNING: libgomp cannot be hidden here ($(head -n 1 "$scratch/refused" 2>/dev/null)): the wheel is tried beside it"
        without_libgomp() { "$@"; }
        return
    fi
    python -m venv "$scratch/env"
    "$scratch/env/bin/python" -m pip install --quiet --only-binary=:all: "$1"
    if (cd "$scratch" && without_libgomp env/bin/python -c "import cyroi") 2>"$scratch/message"; then
        echo "the wheel before its repair works without libgomp, or libgomp was not hidden" >&2
        return 1
    fi
    grep -q libgomp "$scratch/message" || { cat "$scratch/message" && return 1; }
    echo "without libgomp the wheel before its repair fails: $(tail -n 1 "$scratch/message")"
}

try_wheel() { # interpreter, NumPy
    rm -rf "$scratch/env"
    "$1" -m venv "$scratch/env"
    "$scratch/env/bin/python" -m pip install --quiet --only-binary=:all: "$2" "$root"/dist/*.whl
    (cd "$scratch" && without_libgomp env/bin/python -c '
import sys, numpy as np, cyroi
from cyroi.reference import oracle
maps, boxes = np.random.default_rng(0).standard_normal((1, 2, 9, 9), np.float32), [[0, 1, 1, 7, 6]]
assert abs(cyroi.roi_align(maps, boxes, 3) - oracle.roi_align(maps, boxes, 3)).max() < 1e-6
assert cyroi.show_config()["openmp"], "a serial build"
from cyroi.gpu import source
assert "CYROI_KERNEL(plan)" in source.text("plan.cu")
large = np.tile(np.float32([[0, 0, 0, 9, 9]]), (100_000, 1))
assert (cyroi.roi_align(maps, large, 3, num_threads=2) == cyroi.roi_align(maps, large[:1], 3)).all()
print("wheel works on Python", sys.version.split()[0], "with NumPy", np.__version__)')
    PATH="$scratch/env/bin:$PATH" ci/example.sh
}

rm -rf dist
mkdir dist
python -m build --outdir "$scratch/built" >"$scratch/log" 2>&1 || { cat "$scratch/log" && exit 1; }
mv "$scratch"/built/*.tar.gz dist/
built=$(echo "$scratch"/built/*.whl)
check-wheel-contents "$built"
repair "$built"
check_size dist/*.whl
check-sdist --no-isolation
twine check --strict dist/*
abi3audit --strict --summary dist/*.whl
for platform in linux macos windows; do # the table in pyproject.toml can be read, which is all that is tried of it here
    cibuildwheel --platform "$platform" --print-build-identifiers >/dev/null
done
check_trial "$built"
for interpreter in "${@:-python}"; do
    try_wheel "$interpreter" numpy
    if "$interpreter" -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then # else there is no such wheel
        try_wheel "$interpreter" "numpy==1.26.*"
    fi
done
ls -l dist
