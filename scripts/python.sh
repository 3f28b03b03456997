#!/usr/bin/env bash
# Prints the Python interpreter that the tests' virtual environment is made from: the first one that already has the packages
# of the requirements file $1, so that a machine without a package index can run the tests, or else the first one of version
# 3.11 or newer. It looks at the PATH, then at the versions that pyenv installed.
set -euo pipefail
requirements=$1
first=
for candidate in python3 python3.14 python3.13 python3.12 python3.11 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
  python=$(command -v "$candidate") || continue
  "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  first=${first:-$python}
  if "$python" - "$requirements" 2>/dev/null <<'PYTHON'
import re, sys
from importlib.metadata import version

for line in open(sys.argv[1]):
    name, _, pinned = line.partition("#")[0].strip().partition("==")
    if name and version(re.sub(r"\[.*", "", name)) != pinned:
        sys.exit(1)
PYTHON
  then
    echo "$python"
    exit
  fi
done
[ -n "$first" ] || { echo "No Python of version 3.11 or newer with the modules venv and ensurepip was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
echo "$first"
