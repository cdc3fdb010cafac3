#!/bin/sh
# install_copy.sh DIRECTORY off|require
#
# Build longwire from a clean copy of this tree and install it, without its dependencies, into
# DIRECTORY. Put first on PYTHONPATH it is the build under test; it sees no compiled module and no
# half-edited file of src/. The copy is made anew only when a source changed.
set -eu
cd "$(dirname "$0")/.."
directory=$PWD/$1 mode=$2
stamp=$directory/.longwire-digest
digest=$mode-$(find src pyproject.toml setup.py MANIFEST.in -type f \
    ! -name '*.so' ! -name '*.pyc' ! -name '*.c' ! -path '*.egg-info/*' -exec cksum {} + |
    LC_ALL=C sort | cksum)
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ]; then
    exit 0
fi
echo "make: installing a copy of longwire (extensions: $mode) into $1"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -cf - --exclude='*.so' --exclude='__pycache__' --exclude='*.egg-info' \
    src pyproject.toml setup.py MANIFEST.in README.md LICENSE | tar -xf - -C "$copy"
rm -rf "$directory"
LONGWIRE_EXTENSIONS=$mode .venv/bin/python -m pip install --disable-pip-version-check -qq \
    --no-deps --target "$directory" "$copy"
echo "$digest" >"$stamp"
