#!/bin/sh
# Remove what make made: environments, builds, caches. What git tracks and what a server stored
# stays.
set -eu
cd "$(dirname "$0")/.."
rm -rf .venv .venv-3.13 .cache build dist .coverage htmlcov \
    .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
    tests/node/node_modules js/node_modules fuzz/found
find src -name '*.so' -delete
rm -rf src/*.egg-info
find src tests scripts fuzz -name __pycache__ -type d -prune -exec rm -rf {} +
