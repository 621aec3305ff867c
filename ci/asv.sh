#!/usr/bin/env bash
# Runs every asv benchmark once with the cyroi of the active environment: a smoke test, not a measurement.
set -euo pipefail
cd "$(dirname "$0")/../asv_benchmarks"
asv machine --yes </dev/null # it asks all the same where there is a terminal
asv check --python=same
# Not --quick, which times the first of many microseconds' calls: one sample of each, and no warm-up but their own.
asv run --python=same --show-stderr -a repeat=1 -a rounds=1 -a warmup_time=0 "$@"
