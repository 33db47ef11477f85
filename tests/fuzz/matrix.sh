#!/usr/bin/env bash
# The suite on each Python named in $1 ("3.11 3.12") that is on this machine, in build/matrix-<version>; the other arguments
# go to pytest. A venv is kept: the second run installs the project anew and nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
versions=$1; shift
absent="" failed="" passed=""
for version in $versions; do
  python=$(tests/fuzz/python_of.sh "$version")
  if [ -z "$python" ]; then echo "Python $version: absent"; absent="$absent $version"; continue; fi
  room=build/matrix-$version log=build/matrix-$version.log
  echo "Python $version: $python"
  [ -x "$room/venv/bin/python" ] || "$python" -m venv "$room/venv"
  # sources of its own: kernels of two Pythons may lie beside each other, but their C files and build logs may not
  mkdir -p "$room/project"
  # files that have moved must not be left behind; kernels that were built may
  find "$room/project" -type f ! -path "$room/project/build/*" ! -name "*.so" ! -name "*.c" -delete
  tar cf - --exclude='*.so' --exclude=__pycache__ --exclude='*.egg-info' src tests docs bench examples setup.py build_backend.py pyproject.toml README.md \
    LICENSE MANIFEST.in PAPER.md CONTRIBUTING.md CHANGELOG.md Makefile .ci .gitignore | tar xf - -C "$room/project"
  if (
    cd "$room/project"
    py=../venv/bin/python
    "$py" -m pip install --quiet -e ".[test]"
    "$py" -m pytest -q -n auto "$@"
  ) > "$log" 2>&1; then passed="$passed $version"; else failed="$failed $version"; fi
  tail -n 1 "$log"
done
echo "passed:${passed:- none}; failed:${failed:- none}; absent:${absent:- none}"
[ -z "$failed" ]
