#!/bin/sh
# Obtain what the tests need beyond Python packages: Debian packages when this runs as root on a
# system with apt-get, npm packages where node is there. What cannot be had is named, and the
# tests that need it skip by that name (or fail under LONGWIRE_REQUIRE_ALL=1).
set -u
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

# program:package, the program being what the tests call
needs="nginx:nginx-light haproxy:haproxy chromium:chromium node:nodejs npm:npm curl:curl
ip:iproute2 nft:nftables openssl:openssl redis-server:redis-server ping:iputils-ping nc.openbsd:netcat-openbsd iperf3:iperf3
tshark:tshark h2load:nghttp2-client"

missing_programs() { # packages on one line
    for need in $needs; do
        command -v "${need%%:*}" >/dev/null 2>&1 || printf '%s ' "${need#*:}"
    done
    # Debian's own Python comes without the headers that compiling the extensions needs.
    if [ -x .venv/bin/python ]; then
        .venv/bin/python -c '
import os, sys, sysconfig
has_headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
if not has_headers and sys.base_prefix == "/usr":
    print(f"python{sys.version_info.major}.{sys.version_info.minor}-dev", end=" ")
'
    fi
}

missing=$(missing_programs)
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "tests: installing $missing"
    log=.cache/test-setup-apt.log
    mkdir -p .cache
    # A package whose service starts at once (nginx) must not take ports of this machine.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    {
        apt-get update
        # One at a time: a package that cannot be had must not keep the others away.
        for package in $missing; do
            apt-get install -y --no-install-recommends "$package"
        done
    } >"$log" 2>&1 </dev/null
    missing=$(missing_programs)
    [ -n "$missing" ] && echo "tests: apt-get could not install them all; see $log"
fi
for package in $missing; do
    echo "tests: missing $package"
done

# npm_ci FOLDER: install exactly what its lock file names, once
npm_ci() {
    [ -e "$1/package-lock.json" ] || return 0
    stamp=$1/node_modules/.longwire-installed
    wanted=$(cksum <"$1/package-lock.json")
    [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
    mkdir -p .cache
    echo "tests: npm ci in $1"
    if (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund) >.cache/npm-ci.log 2>&1; then
        echo "$wanted" >"$stamp"
    else
        echo "tests: npm ci failed in $1; see .cache/npm-ci.log"
    fi
}
if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
    npm_ci tests/node
    npm_ci js
fi

# Autobahn|Testsuite runs on Python 2.7; it is installed once into .cache/.
scripts/autobahn_install.sh >/dev/null || echo "tests: Autobahn|Testsuite is not available"
exit 0
