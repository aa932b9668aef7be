#!/bin/sh
# usage: requirements/install.sh PYTHON FILE   installs a pinned and hashed file into PYTHON's environment.
# uv does it in a fraction of pip's time, from the same file with the same hashes. Where uv cannot be had or cannot fetch
# (another platform, a mirror that only pip knows), pip does it. The files are complete, so neither looks for more
# (--no-deps). Neither compiles: Python compiles what is imported, and two thirds never are.
set -eu
python=$1
file=$2
pip() { "$python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r "$1"; }
uv() { "$python" -m uv pip install --quiet --no-deps --require-hashes --python "$python" -r "$1"; }

if "$python" -m uv --version >/dev/null 2>&1 || pip "$(dirname "$0")/installer.txt"; then
  uv "$file" && exit 0
  echo "uv could not install $file; pip tries" >&2
fi
pip "$file"
