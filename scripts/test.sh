#!/bin/bash
# Every test: the whole suite on the compiled build, then what depends on the interpreter or the
# build (the protocols, the properties) on Python 3.13 and on the pure build. Arguments go to the
# first pytest, and then only that one runs: `make test ARGS="-k handshake"`.
set -u
cd "$(dirname "$0")/.."
results=.cache/test-results
rm -rf "$results"
mkdir -p "$results"
status=0

scripts/test_setup.sh
# Again, for the case that a compiler's headers were among what was just installed.
scripts/venv.sh .venv dev .venv/bin/python || exit 1

child=
trap '[ -n "$child" ] && kill "$child"; exit 130' INT TERM

run() { # run NAME SECONDS_MAX PYTHON ARGUMENT...
    local name=$1 seconds_max=$2 python=$3
    shift 3
    echo "tests: $name"
    # In the background, since a shell that waits for a child in front hears of no signal.
    timeout --kill-after=10 "$seconds_max" "$python" -m pytest --quiet \
        --junit-xml="$results/$name.xml" -o junit_suite_name="$name" "$@" &
    child=$!
    wait $child
    local code=$?
    child=
    # 5: nothing was selected, which only the small runs below can mean.
    if [ $code -ne 0 ] && [ $code -ne 5 ]; then
        [ $code -ge 124 ] && echo "tests: $name was stopped after $seconds_max s"
        status=1
        [ -e "$results/$name.xml" ] || echo "$name" >>"$results/without-report"
    fi
}

if [ $# -gt 0 ]; then
    exec .venv/bin/python -m pytest "$@"
fi

expect_compiled() { # the environment in question must be compiled, or it is said that it is not
    export LONGWIRE_TEST_BUILD=compiled
    if ! scripts/is_compiled.sh "$1" && [ "${LONGWIRE_REQUIRE_ALL:-0}" = 0 ]; then
        echo "tests: the extensions in $1 are not compiled; it is tested as plain Python"
        export LONGWIRE_TEST_BUILD=
    fi
}

expect_compiled .venv
# Most tests wait for something: four at a time keep two cores busy.
run main 900 .venv/bin/python -n 4 --dist worksteal -m 'not alone and not long'
run alone 480 .venv/bin/python -m 'alone and not long'

protocols=()
for path in tests/unit/house/test_build.py tests/unit/websocket tests/unit/http tests/properties \
    tests/unit/net/test_waiter.py tests/integration/net/test_awaitables.py; do
    [ -e "$path" ] && protocols+=("$path")
done

python313=$(scripts/find_python.sh 3.13)
if [ -n "$python313" ]; then
    if scripts/venv.sh .venv-3.13 dev "$python313"; then
        expect_compiled .venv-3.13
        run python-3.13 300 .venv-3.13/bin/python -n 2 "${protocols[@]}"
    else
        status=1
    fi
elif [ "${LONGWIRE_REQUIRE_ALL:-0}" != 0 ]; then
    echo "tests: LONGWIRE_REQUIRE_ALL is set and Python 3.13 is missing"
    echo python-3.13 >>"$results/without-report"
    status=1
else
    echo "tests: skipped on Python 3.13: no such interpreter on PATH or in pyenv"
fi

if scripts/install_copy.sh .cache/pure off; then
    export LONGWIRE_TEST_BUILD=pure
    PYTHONPATH=$PWD/.cache/pure run pure 300 .venv/bin/python -n 2 "${protocols[@]}"
else
    status=1
fi

.venv/bin/python scripts/test_summary.py "$results" || status=1
exit $status
