#!/usr/bin/env bash
# Times this checkout of cyroi beside its public peers and the memory floor, in an environment of its own, and prints
# Markdown tables.
#
#   ci/bench.sh [--workloads W1,W1a] [--rounds 7] [--threads 1,2] [--all-peers] [--write] [--with torch]
#
# --write puts the tables into docs/performance.md, and six of their rows into README.md. --with torch and
# --with tensorflow install those large peers too (6 and 2 GB); once installed they take part in every run. `cc` or $CC
# compiles the floor program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

peers=("onnx onnxruntime" openvino MNN ncnn opencv-python-headless)
arguments=()
while [ $# -gt 0 ]; do
    case "$1 ${2:-}" in
        "--with torch") peers+=("torch torchvision"); shift 2 ;;
        "--with tensorflow") peers+=(tensorflow); shift 2 ;;
        --with=*) set -- --with "${1#--with=}" "${@:2}" ;;
        *) arguments+=("$1"); shift ;;  # another --with among them: the program refuses it
    esac
done

venv=build/bench-venv
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade numpy
for peer in "${peers[@]}"; do
    # Unquoted: some are several packages. One that cannot be had does not keep the others from being timed.
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --quiet --upgrade $peer || echo "could not be installed: $peer" >&2
done
# --force-reinstall, because a changed checkout has the same version as before.
"$venv/bin/python" -m pip install --quiet --force-reinstall --no-deps .
# -P: no folder of the checkout on the path, so that `import cyroi` finds what was just installed.
PYTHONPATH=ci:asv_benchmarks exec "$venv/bin/python" -P -m bench ${arguments[@]+"${arguments[@]}"}
