#!/usr/bin/env bash
# What pyproject.toml promises of versions: the tests, on the wheel of ci/wheel.sh (dist/), in environments of their own.
#
#   ci/floors.sh [leg ...]       default: all four
#
#   lowest                       Python 3.11, and everything that the package and its tests name in its lowest version;
#                                the wheel itself is built with the newest Cython and setuptools
#   python3.12, python3.13       and everything in its newest version
#   serial                       a build without OpenMP, from the sdist
#
# A leg whose Python is not found says so, and is no failure. Few random cases; the other tests are the whole suite, but
# for `serial`, which runs those that have to do with threads, with calls from outside, or with what is built.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly root=$PWD
export CYROI_HYPOTHESIS_PROFILE=few
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
wheel=$(echo dist/*.whl)
[ -e "$wheel" ] || { echo "no wheel in dist/: run ci/wheel.sh before" >&2 && exit 2; }
ls -l "$wheel" # what is tested
# The tests lie beside sources that are not built, and run in a folder from which these are not found.
mkdir "$scratch/tree" "$scratch/empty"
tar -xzf dist/cyroi-*.tar.gz -C "$scratch/tree" --strip-components 1

find_python() { # version; prints the path of an interpreter, or nothing
    local candidate
    for candidate in "python$1" "$(pyenv root 2>/dev/null || true)/versions/$1".*/bin/python; do
        if "$candidate" -c "
import sys, sysconfig  # not a free-threaded one, which cannot take the wheel
sys.exit('%d.%d' % sys.version_info[:2] != '$1' or bool(sysconfig.get_config_var('Py_GIL_DISABLED')))" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# The requirements of the package and of its tests, one a line; "lowest": with == for >=.
requirements() { # lowest or newest
    python3 - "$1" <<'PYTHON'
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
for requirement in project["dependencies"] + extras["plot"] + extras["test"]:
    if not requirement.startswith("cyroi"):
        print(requirement.replace(">=", "==") if sys.argv[1] == "lowest" else requirement)
PYTHON
}

environment() { # Python, requirements
    local python=$1
    shift
    rm -rf "$scratch/env"
    "$python" -m venv "$scratch/env"
    "$scratch/env/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
    "$scratch/env/bin/python" -m pip install --quiet --only-binary=:all: threadpoolctl "$@"
}

run_tests() { # folders and files below tests/
    (cd "$scratch/empty" && "$scratch/env/bin/python" -m pytest -q -n 2 --dist worksteal -p no:cacheprovider \
        --rootdir "$scratch/tree" -c "$scratch/tree/pyproject.toml" "${@/#/$scratch/tree/tests/}")
}

run_leg() {
    local leg=$1 version python wanted
    case $leg in
        python3.*) version=${leg#python} ;;
        lowest | serial) version=3.11 ;;
        *) echo "no such leg: $leg; there are lowest, python3.12, python3.13 and serial" >&2 && return 2 ;;
    esac
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        printf '%s\n' "" "******** LEG $leg WAS LEFT OUT: Python $version was not found ********" ""
        return
    fi
    echo "=== $leg"
    SECONDS=0
    case $leg in
        lowest)
            mapfile -t wanted < <(requirements lowest)
            environment "$python" "${wanted[@]}" "pyparsing<3.2" "$root/$wheel" # Matplotlib 3.8 calls what 3.2 deprecates
            run_tests ""
            ;;
        python3.*)
            mapfile -t wanted < <(requirements newest)
            environment "$python" "${wanted[@]}" "$root/$wheel"
            run_tests ""
            ;;
        serial)
            mapfile -t wanted < <(requirements newest)
            environment "$python" "${wanted[@]}"
            CYROI_OPENMP=0 "$scratch/env/bin/python" -m pip install --quiet --no-deps "$scratch/tree"
            (cd "$scratch/empty" && "$scratch/env/bin/python" -c 'import cyroi; assert not cyroi.show_config()["openmp"]')
            run_tests faces kernels laws/test_invariance.py laws/test_gradients.py
            ;;
    esac
    echo "=== $leg passed in $SECONDS s"
}

[ $# -gt 0 ] || set -- lowest python3.12 python3.13 serial
for leg in "$@"; do run_leg "$leg"; done
