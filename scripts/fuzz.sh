#!/bin/bash
# Run each fuzz/fuzz_*.py under atheris for FUZZ_SECONDS (default 60). Arguments name harnesses:
# `make fuzz ARGS="fuzz_frames"`. Inputs that grew coverage are kept in .cache/fuzz/NAME between
# runs, seeds come from fuzz/seeds/NAME, and a crashing input is left in fuzz/found/NAME/ with the
# command that replays it.
set -u
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
python=.venv/bin/python
if ! $python -c 'import atheris' 2>/dev/null; then
    echo "fuzz: installing atheris"
    if ! $python -m pip install --disable-pip-version-check -qq 'atheris>=2.3'; then
        echo "fuzz: atheris could not be installed for $($python -V); nothing was fuzzed"
        exit 1
    fi
fi
# Coverage is measured in Python code, so the pure build is what is fuzzed.
scripts/install_copy.sh .cache/pure off || exit 1
export PYTHONPATH=$PWD/.cache/pure

harnesses=("$@")
if [ ${#harnesses[@]} -eq 0 ]; then
    for path in fuzz/fuzz_*.py; do
        [ -e "$path" ] && harnesses+=("$(basename "$path" .py)")
    done
fi
if [ ${#harnesses[@]} -eq 0 ]; then
    echo "fuzz: there is no fuzz/fuzz_*.py"
    exit 1
fi

crashed=()
for name in "${harnesses[@]}"; do
    name=$(basename "$name" .py)
    corpus=.cache/fuzz/$name
    found=fuzz/found/$name
    mkdir -p "$corpus" "$found"
    seeds=()
    [ -d "fuzz/seeds/$name" ] && seeds=("fuzz/seeds/$name")
    log=$found/last.log
    # libFuzzer stops by itself; the outer limit is for a harness that hangs in C.
    timeout --kill-after=5 $((seconds + 60)) $python "fuzz/$name.py" "$corpus" "${seeds[@]}" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$found/" -print_final_stats=1 >"$log" 2>&1
    code=$?
    runs=$(sed -n 's/.*number_of_executed_units: *//p' "$log")
    if [ $code -eq 0 ]; then
        echo "fuzz: $name ok, ${runs:-?} runs in $seconds s"
    else
        crashed+=("$name")
        echo "fuzz: $name FAILED (exit $code); the end of $log:"
        grep -v '^#' "$log" | tail -n 30
        echo "fuzz: replay with: PYTHONPATH=.cache/pure $python fuzz/$name.py $found/crash-..."
    fi
done
echo "fuzz: ${#harnesses[@]} harnesses, ${#crashed[@]} failed${crashed:+: ${crashed[*]}}"
[ ${#crashed[@]} -eq 0 ]
