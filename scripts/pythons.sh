#!/usr/bin/env bash
# Prints the Python interpreters that the tests of the tool use, separated by colons: the one of the virtual
# environment in $1/venv, and Python 3.13, which Lambda runs, if this machine has it. A Python without boto3
# gets a copy of the environment's boto3, which is pure Python.
set -euo pipefail
build=$1
venv=$build/venv/bin/python
found=$venv

site=$("$venv" -c 'import boto3, os; print(os.path.dirname(os.path.dirname(boto3.__file__)))')
for candidate in python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do
  python=$(command -v "$candidate") || continue
  "$python" -I -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || continue
  if "$python" -I -c 'import boto3' 2>/dev/null; then
    found=$found:$python
    break
  fi
  env=$build/py313
  rm -rf "$env"
  "$python" -m venv --without-pip "$env"
  target=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  for package in boto3 botocore s3transfer jmespath urllib3 dateutil six.py; do
    cp -R "$site/$package" "$target/"
  done
  "$env/bin/python" -m compileall -q "$target" || true
  "$env/bin/python" -I -c 'import boto3'
  found=$found:$env/bin/python
  break
done
echo "$found"
