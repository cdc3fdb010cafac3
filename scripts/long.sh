#!/bin/sh
# What takes longer than `make test` allows: all of Autobahn|Testsuite both ways, the tests marked
# `long`, and the property tests with many examples. Its output goes to docs/evidence/.
set -u
cd "$(dirname "$0")/.."
status=0
scripts/conformance.sh || status=1
scripts/reliability.sh || status=1
log=docs/evidence/$(date -u +%Y-%m-%d)-long.txt
mkdir -p docs/evidence
{
    .venv/bin/python -m pytest -q -m long
    [ $? -eq 5 ] || [ $? -eq 0 ] || echo "long: a test marked long failed"
    LONGWIRE_HYPOTHESIS=long .venv/bin/python -m pytest -q -n 2 --timeout=1800 tests/properties
} 2>&1 | tee "$log"
grep -qE '[0-9]+ (failed|error)|long: a test' "$log" && status=1
exit $status
