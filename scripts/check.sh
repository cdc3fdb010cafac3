#!/bin/sh
# What a change must pass before it is pushed; under two minutes. Everything is run, so that one
# finding does not hide the next; the exit status tells whether all passed.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin
status=0

step() {
    name=$1
    shift
    if "$@"; then
        echo "check: $name ok"
    else
        echo "check: $name FAILED"
        status=1
    fi
}

step "lint" $bin/ruff check .
step "format" $bin/ruff format --check .
step "types" $bin/mypy
step "imports" $bin/lint-imports --no-logo
tests="tests/unit"
[ -d tests/properties ] && tests="$tests tests/properties"
# shellcheck disable=SC2086
step "fast tests" $bin/python -m pytest -q -n 2 --dist worksteal -m "not slow and not alone and not long" $tests
exit $status
