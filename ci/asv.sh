#!/usr/bin/env bash
# Runs every asv benchmark once with the cyroi of the active environment: a smoke test, not a measurement.
set -euo pipefail
cd "$(dirname "$0")/../asv_benchmarks"
asv machine --yes </dev/null # it asks all the same where there is a terminal
asv check --python=same
asv run --quick --python=same --show-stderr "$@"
