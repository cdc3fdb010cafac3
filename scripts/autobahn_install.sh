#!/bin/sh
# Install Autobahn|Testsuite into .cache/autobahn/venv (it runs on Python 2.7 only) and print the
# path of its wstest. Python 2.7's ensurepip cannot make a virtual environment, hence virtualenv,
# whose last release for 2.7 carries the wheels that it needs. Over TLS it needs pyOpenSSL too.
set -u
cd "$(dirname "$0")/.."
folder=$PWD/.cache/autobahn
wstest=$folder/venv/bin/wstest
log=$folder/install.log
stamp=$folder/installed-25.10.1-tls

if [ -e "$stamp" ] && "$wstest" --help >/dev/null 2>&1; then
    echo "$wstest"
    exit 0
fi
python27=$(scripts/find_python.sh 2.7)
if [ -z "$python27" ]; then
    echo "tests: missing Python 2.7 (on PATH or as a pyenv version), for Autobahn|Testsuite" >&2
    exit 1
fi
mkdir -p "$folder"
rm -rf "$folder/venv" "$folder/virtualenv"
echo "tests: installing Autobahn|Testsuite into .cache/autobahn" >&2
{
    "$python27" -m pip install --disable-pip-version-check \
        --target "$folder/virtualenv" 'virtualenv==20.15.1' &&
        PYTHONPATH=$folder/virtualenv "$python27" -m virtualenv --no-download "$folder/venv" &&
        "$folder/venv/bin/pip" install --disable-pip-version-check 'autobahntestsuite==25.10.1' 'pyOpenSSL==21.0.0' &&
        "$wstest" --help
} >"$log" 2>&1 </dev/null
if [ $? -ne 0 ]; then
    echo "tests: installing Autobahn|Testsuite failed; see $log" >&2
    exit 1
fi
touch "$stamp"
echo "$wstest"
