#!/usr/bin/env bash
# Times this checkout of cyroi beside its public peers, in an environment of its own, and prints a Markdown table.
#
#   ci/bench.sh [--workloads W1,W1a] [--rounds 7] [--threads 1,2]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=build/bench-venv
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
# cyroi apart from the rest: --force-reinstall, because a changed checkout has the same version as before.
"$venv/bin/python" -m pip install --quiet --upgrade numpy onnx onnxruntime openvino
"$venv/bin/python" -m pip install --quiet --force-reinstall --no-deps .
# -P: no folder of the checkout on the path, so that `import cyroi` finds what was just installed.
exec "$venv/bin/python" -P ci/bench.py "$@"
