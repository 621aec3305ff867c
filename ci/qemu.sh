#!/usr/bin/env bash
# Runs cyroi on emulated processors: x86 without AVX2, x86 with AVX2 but without AVX-512, and aarch64.
#
#   ci/qemu.sh [--only nehalem|haswell|aarch64] [pytest arguments]      default: all three, and all of tests/
#
# For Debian 12 on x86-64. Packages that are missing are installed by apt, which asks for root; everything else is
# downloaded and built under build/qemu/, which can be deleted at any time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root=$PWD/build/qemu
readonly sysroot=$root/sysroot
readonly arm_python=3.11 # Debian 12's

# What each leg must find out about its processor, and the targets that the processor must refuse.
readonly -A expected=([nehalem]=baseline [haswell]=avx2 [aarch64]=baseline)
readonly -A foreign=([nehalem]="avx2 avx512" [haswell]=avx512 [aarch64]="")
# Features that qemu cannot emulate are taken away by name, or it warns about each of them in every run.
readonly -A cpu=([nehalem]=Nehalem [haswell]="Haswell-noTSX,-pcid,-x2apic,-tsc-deadline,-invpcid")

architecture() { # of a leg
    if [ "$1" = aarch64 ]; then echo aarch64; else echo x86_64; fi
}

install_packages() {
    local missing=()
    command -v qemu-x86_64 >/dev/null || missing+=(qemu-user)
    command -v aarch64-linux-gnu-g++ >/dev/null || missing+=(g++-aarch64-linux-gnu)
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update
    "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
}

# The tools that build here, and for each architecture the packages that the tests import there.
install_python_packages() {
    [ -x "$root/venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$root/venv"
    "$root/venv/bin/python" -m pip install --quiet "setuptools>=77" "Cython>=3.1"
    local packages=(numpy pytest hypothesis ml_dtypes) ours=$root/packages/x86_64 theirs=$root/packages/aarch64
    if [ ! -d "$ours/ml_dtypes" ]; then
        rm -rf "$ours"
        "$root/venv/bin/python" -m pip install --quiet --target "$ours" "${packages[@]}"
    fi
    if [ ! -d "$theirs/ml_dtypes" ]; then
        rm -rf "$theirs"
        "$root/venv/bin/python" -m pip install --quiet --target "$theirs" --only-binary=:all: \
            --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 \
            --python-version "$arm_python" --implementation cp "${packages[@]}"
    fi
}

# Debian's Python for arm64 with all that it depends on, unpacked and not installed. apt resolves this in folders of its
# own, against an empty list of installed packages, so the system learns nothing of the foreign architecture.
make_sysroot() {
    [ ! -d "$sysroot" ] || return 0
    local apt=$root/apt package
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$sysroot.part"
    : >"$apt/status"
    local options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "APT::Sandbox::User=$(id -un)"
        -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache")
    apt-get -qq "${options[@]}" update
    apt-get -qq "${options[@]}" install --yes --download-only --no-install-recommends \
        "python$arm_python-minimal" "libpython$arm_python-stdlib" "libpython$arm_python-dev" libgomp1 libstdc++6
    for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$sysroot.part"; done
    mv "$sysroot.part" "$sysroot" # whole, or not at all
}

# Builds cyroi as it is shipped; for aarch64 with the cross compiler, and the headers of the other Python before those of
# this one.
build() { # leg
    local flags=(CYROI_OPENMP=require)
    if [ "$1" = aarch64 ]; then
        local cross=aarch64-linux-gnu
        flags+=(_PYTHON_HOST_PLATFORM=linux-aarch64 "CC=$cross-gcc" "CXX=$cross-g++"
            "LDSHARED=$cross-g++ -shared" "LDCXXSHARED=$cross-g++ -shared"
            "CPPFLAGS=-I$sysroot/usr/include/python$arm_python -idirafter $sysroot/usr/include")
    fi
    rm -rf "${root:?}/$1"
    mkdir "$root/$1"
    env "${flags[@]}" "$root/venv/bin/python" setup.py -q build_ext --build-temp "$root/$1/temp" \
        build --build-lib "$root/$1/lib" >"$root/$1/build.log" 2>&1 || { cat "$root/$1/build.log" && return 1; }
}

# Python on the leg's processor. -S -P: only what PYTHONPATH names, neither this environment nor the checkout.
emulate() { # leg, Python's arguments
    local leg=$1 run
    shift
    if [ "$leg" = aarch64 ]; then
        run=(qemu-aarch64 -L "$sysroot" "$sysroot/usr/bin/python$arm_python")
    else
        run=(qemu-x86_64 -cpu "${cpu[$leg]}" "$(readlink -f "$root/venv/bin/python")")
    fi
    PYTHONPATH="$root/$leg/lib:$root/packages/$(architecture "$leg"):$PWD/ci/qemu" \
        PYTHONPYCACHEPREFIX="$root/pycache/$leg" "${run[@]}" -S -P "$@"
}

# Without this an emulator that knows more than its processor would let every test pass.
check_refusals() { # leg
    local target status
    for target in ${foreign[$1]}; do
        status=0
        emulate "$1" ci/qemu/probe.py force "$target" >"$root/$1/refusal" 2>&1 || status=$?
        if [ $status != 132 ]; then # 128 + SIGILL
            cat "$root/$1/refusal"
            echo "$1: the kernels of $target should end in an illegal instruction, not in status $status" >&2
            return 1
        fi
        echo "$1: refuses the kernels of $target"
    done
}

run_leg() { # leg, pytest arguments
    local leg=$1
    shift
    echo "=== $leg"
    build "$leg"
    emulate "$leg" ci/qemu/probe.py expect "${expected[$leg]}" "$root/$leg/lib"
    check_refusals "$leg"
    if [ $# -eq 0 ]; then
        set -- tests
        set -- "$@" --ignore=tests/faces/test_plot.py # needs matplotlib, and nothing of the processor
        set -- "$@" --deselect=tests/kernels/test_run_time.py::test_the_gil_is_released_during_a_call # a race against a thread
        set -- "$@" --deselect=tests/kernels/test_targets.py::test_features_are_those_that_the_system_found # /proc/cpuinfo is the host's
        set -- "$@" -k "not test_a_wrong_kernel_does_not_pass_for_a_peer"                      # a test of the test
    fi
    # The best target alone: the others would be emulated for as long again.
    CYROI_CPU_CAPABILITY=${expected[$leg]} emulate "$leg" -m pytest -q -p no:cacheprovider -p one_process "$@"
}

legs=(nehalem haswell aarch64)
if [ "${1:-}" = --only ]; then
    legs=("${2:?--only needs a leg: ${legs[*]}}")
    [ -n "${expected[${legs[0]}]:-}" ] || { echo "no such leg: ${legs[0]}; there are ${!expected[*]}" >&2 && exit 2; }
    shift 2
fi
install_packages
mkdir -p "$root"
install_python_packages
make_sysroot
for leg in "${legs[@]}"; do run_leg "$leg" "$@"; done
