#!/bin/bash
# The compiled modules under AddressSanitizer: the property tests of the WebSocket protocol, with
# many examples, and the tests of links, connections and TLS over real sockets. The record goes to
# docs/evidence/. With arguments those tests are run instead and nothing is recorded.
set -u
cd "$(dirname "$0")/.."
library=$(gcc -print-file-name=libasan.so)
if [ ! -e "$library" ]; then
    echo "sanitize: this compiler has no AddressSanitizer; nothing was run" >&2
    exit 1
fi
flags="-fsanitize=address -fno-omit-frame-pointer -g1"
CFLAGS=$flags LDFLAGS=-fsanitize=address scripts/install_copy.sh .cache/address require || exit 1

run() { # Python's own allocator would hide what goes past the end of an object.
    LD_PRELOAD=$library ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 PYTHONMALLOC=malloc \
        PYTHONPATH=$PWD/.cache/address LONGWIRE_TEST_BUILD=compiled \
        .venv/bin/python -m pytest -q -p no:cacheprovider --timeout=1800 "$@"
}

if [ $# -gt 0 ]; then
    run "$@"
    exit
fi
log=docs/evidence/$(date -u +%Y-%m-%d)-sanitizer.txt
{
    echo "longwire under AddressSanitizer, $(gcc --version | head -1), $(uname -sm)"
    run tests/properties/test_websocket_*.py
    run tests/integration/net/test_{link,tls_link,connection,fairness,reactor,churn,opening}.py \
        tests/unit/net/test_tls_session.py tests/unit/websocket
} 2>&1 | tee "$log"
! grep -qE 'AddressSanitizer: |[0-9]+ (failed|error)' "$log"
