#!/bin/sh
# Print the path of a Python interpreter that really runs: `find_python.sh 3.13` for exactly that
# version, `find_python.sh 3.11+` for the named version or a later one (the first of python3,
# python3.11, 3.12, ... that fits). A name on PATH may be a version manager's stub that refuses to
# run, so each candidate is asked for its own path. Exit 1, printing nothing, if there is none.
set -u
wanted=${1:?usage: find_python.sh 3.13 | 3.11+ | 2.7}
version=${wanted%+}

runs() { # print the interpreter's own path if it runs and its version fits
    "$1" -c '
import sys
wanted = sys.argv[1]
parts = tuple(int(part) for part in wanted.rstrip("+").split("."))
fits = sys.version_info[:2] >= parts if wanted.endswith("+") else sys.version_info[:2] == parts
if not fits:
    sys.exit(1)
print(sys.executable)
' "$wanted" 2>/dev/null
}

candidates="python$version"
if [ "$wanted" != "$version" ]; then
    candidates="python$version python3 python3.12 python3.13 python3.14"
fi
for name in $candidates; do
    if command -v "$name" >/dev/null 2>&1; then
        runs "$name" && exit 0
    fi
done
if command -v pyenv >/dev/null 2>&1; then
    for folder in "$(pyenv root)"/versions/"$version".*; do
        [ -x "$folder/bin/python$version" ] && runs "$folder/bin/python$version" && exit 0
    done
fi
exit 1
