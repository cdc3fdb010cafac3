#!/bin/sh
# Run the benchmarks: each bench/bench_*.py, or those named. Figures are only worth the machine
# they were taken on, so each script prints it.
set -eu
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    set -- bench/bench_*.py
fi
for script; do
    if [ ! -e "$script" ]; then
        echo "bench: there is no $script" >&2
        exit 1
    fi
    .venv/bin/python "$script"
done
