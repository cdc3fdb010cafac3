#!/bin/sh
# Run the benchmarks: the comparison with other servers, whose tables docs/performance.md shows, and
# each bench/bench_*.py; or those scripts named. Figures are only worth the machine they were taken
# on, so each prints it.
set -eu
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    .venv/bin/python -m bench.wire --write
    set -- bench/bench_*.py
fi
for script; do
    if [ ! -e "$script" ]; then
        echo "bench: there is no $script" >&2
        exit 1
    fi
    .venv/bin/python "$script"
done
