#!/bin/bash
# The compiled modules under AddressSanitizer: the fuzzers of WebSocket, HTTP and connections for
# FUZZ_SECONDS (60) each, by chance alone since coverage is measured in Python code, the property
# tests of the WebSocket protocol, and the tests of links, connections and TLS over real sockets.
# The record goes to docs/evidence/. With arguments those tests are run instead, nothing is recorded.
set -u
cd "$(dirname "$0")/.."
library=$(gcc -print-file-name=libasan.so)
if [ ! -e "$library" ]; then
    echo "sanitize: this compiler has no AddressSanitizer; nothing was run" >&2
    exit 1
fi
flags="-fsanitize=address -fno-omit-frame-pointer -g1"
CFLAGS=$flags LDFLAGS=-fsanitize=address scripts/install_copy.sh .cache/address require || exit 1

python() { # Python's own allocator would hide what goes past the end of an object.
    LD_PRELOAD=$library ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 PYTHONMALLOC=malloc \
        PYTHONPATH=$PWD/.cache/address LONGWIRE_TEST_BUILD=compiled .venv/bin/python "$@"
}
run() { python -m pytest -q -p no:cacheprovider --timeout=1800 "$@"; }
fuzz() { # A finding ends the process, and leaves the input that it was at.
    python fuzz/blind.py "$1" "${FUZZ_SECONDS:-60}" "$(date +%s)" ||
        echo "1 failed: fuzz/found/$1/blind is the input that it ended at"
}

if [ $# -gt 0 ]; then
    run "$@"
    exit
fi
log=docs/evidence/$(date -u +%Y-%m-%d)-sanitizer.txt
{
    echo "longwire under AddressSanitizer, $(gcc --version | head -1), $(uname -sm)"
    for name in net_connection websocket_engine websocket_deflate websocket_handshake http1 http2; do
        fuzz "fuzz_$name"
    done
    run tests/properties/test_websocket_*.py
    run tests/integration/net/test_{link,tls_link,connection,fairness,reactor,churn,opening}.py \
        tests/unit/net/test_tls_session.py tests/unit/websocket
} 2>&1 | tee "$log"
! grep -qE 'AddressSanitizer: |[0-9]+ (failed|error)' "$log"
