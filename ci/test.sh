#!/usr/bin/env bash
# The test suite. Arguments go to pytest; CYROI_HYPOTHESIS_PROFILE=thorough looks at 50 times as many random cases.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m pytest "$@"
