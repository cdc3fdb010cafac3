#!/bin/sh
# Write the generated pages of docs/ anew. A test fails when a committed page is out of date.
set -eu
cd "$(dirname "$0")/.."
for script in scripts/generate_*.py; do
    .venv/bin/python "$script"
done
