#!/bin/sh
# is_compiled.sh VENV: exit 0 if every module that can be compiled is compiled in src/ for its
# Python.
cd "$(dirname "$0")/.." || exit 1
python=${1:?}/bin/python
ending=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
for module in $("$python" scripts/digest.py --compiled-modules); do
    [ -e "src/$(echo "$module" | tr . /)$ending" ] || exit 1
done
