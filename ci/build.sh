#!/usr/bin/env bash
# Builds cyroi in place into the active environment, editable, with everything the tests need.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m pip install -e ".[test]" "$@"
