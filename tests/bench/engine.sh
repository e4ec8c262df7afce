#!/usr/bin/env bash
# Jobs per second, pick-up latency, CPU and memory of Roadie (release build, everything on) and of BullMQ's
# own Node worker, in turns in one run on one Redis. Prints tables; asserts nothing. Takes ten minutes
# (and the release build), and wants a quiet machine.
#
#   bash tests/bench/engine.sh [--runs 3] [--jobs 30000] [--processes 1,2] [--slots 1,10,50,100]
#
# ROADIE_BIN names another binary than the one that is built here.
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"
cd "$root"

need_redis || fail "no Redis server"
need_node || fail "no Node 18 with npm"
installed=tests/conformance/node_modules/.package-lock.json
if ! [ "$installed" -nt tests/conformance/package-lock.json ]; then
    npm ci --prefix tests/conformance --no-audit --no-fund --ignore-scripts >&2
fi
if [ -z "${ROADIE_BIN:-}" ]; then
    need_rust
    need_cc
    cargo build --release --locked --bin roadie
    ROADIE_BIN=${CARGO_TARGET_DIR:-$root/target}/release/roadie
fi
export ROADIE_BIN
export ROADIE_TEST_REDIS_SERVER=${ROADIE_TEST_REDIS_SERVER:-$redis_server}
exec node tests/bench/engine/main.mjs "$@"
