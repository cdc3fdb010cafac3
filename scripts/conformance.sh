#!/bin/bash
# Autobahn|Testsuite, all 517 cases for the server, for the client and for the server over TLS on
# the compiled build, then sections 1-10, 12.1 and 13.1 on the pure build; about an hour on two
# cores. The record of each
# goes to docs/evidence/. With arguments one run is made with them and nothing is recorded:
# `make conformance ARGS="--side client --cases 5.*"`.
set -u
cd "$(dirname "$0")/.."
wstest=$(scripts/autobahn_install.sh) || exit 1
suite=(.venv/bin/python -m tests.conformance.autobahn --wstest "$wstest")
if [ $# -gt 0 ]; then
    exec "${suite[@]}" "$@"
fi
status=0
# Built with `require`: what is called the compiled build here shall be one.
scripts/install_copy.sh .cache/compiled require || exit 1
PYTHONPATH=$PWD/.cache/compiled "${suite[@]}" --evidence autobahn-compiled || status=1
PYTHONPATH=$PWD/.cache/compiled "${suite[@]}" --tls --evidence autobahn-tls || status=1
scripts/install_copy.sh .cache/pure off || exit 1
PYTHONPATH=$PWD/.cache/pure "${suite[@]}" --evidence autobahn-pure \
    --cases '1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*,12.1.*,13.1.*' || status=1
exit $status
