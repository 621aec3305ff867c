#!/usr/bin/env bash
# Builds and installs tests/c_api in a copy elsewhere by exactly the commands of docs/c_api.md, into the active
# environment, where cyroi has to be installed; then takes it away again.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck disable=SC2016
commands=$(sed -n '/^```sh$/,/^```$/{/^```/!p}' docs/c_api.md)
[[ $commands == *"pip install"* ]] || { echo "docs/c_api.md has no commands that build the example" >&2 && exit 1; }
scratch=$(mktemp -d)
trap 'cd / && python -m pip uninstall --quiet --yes cyroi-c-api-example && rm -rf "$scratch"' EXIT
cp -r tests/c_api "$scratch/example"
cd "$scratch/example"
echo "docs/c_api.md: its example, by its commands"
env --unset=PYTHONPATH PIP_QUIET=1 bash -euc "$commands"
