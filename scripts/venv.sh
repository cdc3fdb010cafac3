#!/bin/sh
# venv.sh DIRECTORY run|dev PYTHON
#
# Make DIRECTORY a virtual environment with this source tree installed in editable mode: `run` with
# what the server needs, `dev` with the development tools too. Does nothing when nothing changed:
# stamps inside the environment hold a digest of what it was made from. A changed source of a
# compiled module is compiled again, since a stale extension would hide the edited file.
set -eu
directory=${1:?} kind=${2:?} python=${3-}
mode=${LONGWIRE_EXTENSIONS:-auto}
if [ -z "$python" ]; then
    echo "make: Python 3.11 or later is needed and none was found on PATH" >&2
    exit 1
fi

if [ -e "$directory/bin/python" ] && ! "$directory/bin/python" -c '' 2>/dev/null; then
    echo "make: $directory no longer runs (its Python is gone); making it anew"
    rm -rf "$directory"
fi
if [ ! -x "$directory/bin/pip" ]; then
    "$python" -m venv "$directory"
fi
bin=$directory/bin

digest() { "$bin/python" scripts/digest.py "$@"; }
# Whether modules can be compiled at all is part of it, so that headers installed later count.
header=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
can_compile=no
[ -e "$header" ] && command -v "${CC:-cc}" >/dev/null 2>&1 && can_compile=yes
setup_digest=$("$bin/python" -V)-$(pwd)-$mode-$can_compile-$(digest pyproject.toml setup.py)
source_digest=$setup_digest-$(digest --compiled-sources)
stamp_run=$directory/.longwire-run
stamp_dev=$directory/.longwire-dev
stamp_source=$directory/.longwire-source

same() { [ -e "$1" ] && [ "$(cat "$1")" = "$2" ]; }
pip_install() { "$bin/python" -m pip install --disable-pip-version-check -qq "$@"; }

install() { # install ARGUMENT...: pip install, starting from no compiled module of this Python
    ending=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
    find src -name "*$ending" -delete
    pip_install "$@"
    wanted=$("$bin/python" scripts/digest.py --compiled-modules | wc -l)
    built=$(find src -name "*$ending" | wc -l)
    if [ "$mode" != off ] && [ "$built" -lt "$wanted" ]; then
        echo "make: $built of $wanted extensions compiled; the rest runs as plain Python, slower"
        echo "make: (LONGWIRE_EXTENSIONS=require make venv says why)"
    fi
}

if [ "$kind" = dev ] && ! same "$stamp_dev" "$setup_digest"; then
    echo "make: installing longwire and the development tools into $directory"
    install --editable '.[dev]'
    echo "$setup_digest" >"$stamp_dev"
    echo "$setup_digest" >"$stamp_run"
    echo "$source_digest" >"$stamp_source"
elif [ "$kind" = run ] && ! same "$stamp_run" "$setup_digest"; then
    echo "make: installing longwire into $directory"
    install --editable .
    echo "$setup_digest" >"$stamp_run"
    echo "$source_digest" >"$stamp_source"
elif ! same "$stamp_source" "$source_digest" || [ -n "$(digest --stale)" ]; then
    echo "make: a compiled module's source changed; building again"
    install --no-deps --editable .
    echo "$source_digest" >"$stamp_source"
fi
