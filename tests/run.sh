#!/usr/bin/env bash
# Every check and every test; `tests/run.sh FILTER` runs only the tests whose name contains FILTER, and
# `tests/run.sh deploy` only looks at the files of deploy/.
# REQUIRE_ALL=1 (set where CI=true) makes a skipped part a failure. Servers of one's own can be named
# with ROADIE_TEST_REDIS_SERVER (a program), TEST_POSTGRES_URL (one that may make databases) and
# ROADIE_TEST_PROMETHEUS (the folder of its programs).

# Stages and traps call the functions.
# shellcheck disable=SC2317,SC2329
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../deploy/bootstrap.sh"
cd "$root"
# shellcheck source=tests/deploy/checks.sh
. tests/deploy/checks.sh

filter=${1:-}
if [ "${CI:-}" = true ]; then
    export CARGO_INCREMENTAL=0 REQUIRE_ALL=1
fi
# Tests ask only whether it is set.
[ "${REQUIRE_ALL:-0}" != 0 ] || unset REQUIRE_ALL

summary=()
failed=0

skip() {
    say "SKIPPED: $1 because $2"
    summary+=("SKIPPED: $1 because $2")
    if [ -n "${REQUIRE_ALL:-}" ]; then
        failed=1
    fi
}

# stage NAME COMMAND...: runs, times and remembers; a failure does not end the run.
stage() {
    local name=$1 start=$SECONDS outcome=passed
    shift
    printf '\n== %s\n' "$name"
    if ! "$@"; then
        outcome=FAILED
        failed=1
    fi
    local line
    line=$(printf '%-7s %4d s  %s' "$outcome" "$((SECONDS - start))" "$name")
    summary+=("$line")
    printf '%s\n' "$line"
}

scratch=$(mktemp -d)
postgres_runs=false

finish() {
    local status=$?
    trap - EXIT
    if $postgres_runs; then
        as_postgres "$postgres_bin/pg_ctl" -D "$scratch/postgres/data" -m immediate -w stop >/dev/null || true
    fi
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# PostgreSQL refuses to run as root.
as_postgres() {
    local run=(env "LD_LIBRARY_PATH=$postgres_libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
    if [ "$(id -u)" = 0 ]; then
        run=(setpriv "--reuid=$postgres_user" "--regid=$(id -g "$postgres_user")" --clear-groups "${run[@]}")
    fi
    (cd "$scratch" && "${run[@]}" "$@")
}

# A private PostgreSQL on a socket, without a port and without a care for power failures.
start_postgres() {
    need_postgres || return 1
    postgres_user=postgres
    id "$postgres_user" >/dev/null 2>&1 || postgres_user=nobody
    local home=$scratch/postgres
    mkdir -m 700 "$home"
    if [ "$(id -u)" = 0 ]; then
        chmod 711 "$scratch"
        chown "$postgres_user" "$home"
    fi
    as_postgres "$postgres_bin/initdb" -D "$home/data" -U postgres -A trust -E UTF8 --no-locale \
        --no-sync >"$scratch/initdb.log" 2>&1 || { cat "$scratch/initdb.log" && return 1; }
    # Also when it does not answer in time.
    postgres_runs=true
    as_postgres "$postgres_bin/pg_ctl" -D "$home/data" -w -t 30 -l "$home/log" -o "-k $home \
        -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
        -c max_connections=200" start >/dev/null || { cat "$home/log" && return 1; }
    export TEST_POSTGRES_URL="postgres://postgres@localhost/postgres?host=$home"
}

scripts() {
    find deploy tests .ci -name node_modules -prune -o -type f \( -name '*.sh' -o -path .ci/run \) -print0 |
        xargs -0 "$shellcheck" -x -P "$root"
}

# One TLS stack, and one version of what a value may be handed through.
dependencies() {
    awk '
        /^name = / { name = $3; gsub(/"/, "", name) }
        /^version = / { versions[name]++ }
        END {
            split("openssl-sys native-tls aws-lc-sys aws-lc-rs", banned)
            for (i in banned) if (versions[banned[i]]) {
                print "Cargo.lock holds " banned[i] ", a second TLS stack"; bad = 1
            }
            split("rustls ring tokio redis sqlx", single)
            for (i in single) if (versions[single[i]] != 1) {
                print "Cargo.lock holds " versions[single[i]] + 0 " versions of " single[i] ", not one"; bad = 1
            }
            exit bad
        }' Cargo.lock
}

node_packages() {
    local installed=tests/conformance/node_modules/.package-lock.json
    if [ "$installed" -nt tests/conformance/package-lock.json ]; then
        return
    fi
    npm ci --prefix tests/conformance --no-audit --no-fund --ignore-scripts
}

tell() {
    printf '\n== summary\n'
    printf '%s\n' "${summary[@]}"
    if [ "$failed" = 0 ]; then
        printf 'everything passed in %d s\n' "$SECONDS"
    else
        printf 'FAILED after %d s\n' "$SECONDS"
    fi
    exit "$failed"
}

if [ "$filter" = deploy ]; then
    deploy_files
    tell
fi

need_rust
need_codec_tools

if [ -z "$filter" ]; then
    stage "format" cargo fmt --all --check
    stage "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
    stage "documentation" env "RUSTDOCFLAGS=${RUSTDOCFLAGS:-} -D warnings" \
        cargo doc --workspace --no-deps --document-private-items --locked
    if need_shellcheck; then
        stage "scripts" scripts
    else
        skip "the check of the scripts" "shellcheck is not installed"
    fi
    stage "dependencies" dependencies
    deploy_files
fi

printf '\n== servers and clients for the tests\n'
if [ -n "${ROADIE_TEST_REDIS_SERVER:-}" ]; then
    say "redis       $ROADIE_TEST_REDIS_SERVER (as told)"
elif need_redis; then
    export ROADIE_TEST_REDIS_SERVER="$redis_server"
else
    skip "tests with Redis" "no Redis server could be found or installed"
fi
if [ -n "${TEST_POSTGRES_URL:-}" ]; then
    say "postgres    as told by TEST_POSTGRES_URL"
elif ! start_postgres; then
    skip "tests with PostgreSQL" "no PostgreSQL could be found, unpacked or started"
fi
if [ -n "${ROADIE_TEST_PROMETHEUS:-}" ]; then
    say "prometheus  $ROADIE_TEST_PROMETHEUS (as told)"
elif need_prometheus; then
    export ROADIE_TEST_PROMETHEUS="$prometheus_bin"
else
    skip "the test with Prometheus" "it could not be found or unpacked"
fi
if need_exiftool; then
    export ROADIE_TEST_EXIFTOOL="$exiftool"
else
    skip "the look for metadata in variants" "exiftool could not be found or unpacked"
fi
if need_smtp; then
    export ROADIE_TEST_SMTP="$smtp_python"
else
    skip "tests with a mail server" "Python 3 is not there, or aiosmtpd could not be installed"
fi
if need_s3; then
    export ROADIE_TEST_S3="$s3_python"
else
    skip "the test with versions of objects" "Python 3 is not there, or moto could not be installed"
fi
if need_poppler; then
    export ROADIE_TEST_POPPLER="$poppler"
else
    skip "the look into PDFs" "poppler could not be found or unpacked"
fi
if need_fonts; then
    export ROADIE_TEST_FONTS="$fonts"
else
    skip "PDFs in all scripts" "the fonts could not be unpacked"
fi
if need_libreoffice; then
    export ROADIE_TEST_SOFFICE="$soffice"
else
    skip "the look at tables in LibreOffice" "it is not there and could not be installed"
fi
if need_osmium; then
    export ROADIE_TEST_OSMIUM="$osmium"
else
    skip "the import of extracts that osmium has written" "it could not be found or unpacked"
fi
clients=()
if ! need_node; then
    skip "tests with BullMQ's own clients" "Node 18 with npm is not there and could not be installed"
else
    stage "packages of the BullMQ clients" node_packages
    clients=(--client 5 --client 6)
    if need_python; then
        export ROADIE_TEST_PYTHON="$python"
        clients+=(--client python)
    else
        skip "tests with BullMQ for Python" "Python 3.10 is not there, or its packages could not be installed"
    fi
fi

if need_schemathesis; then
    export ROADIE_TEST_SCHEMATHESIS="$schemathesis"
else
    skip "the fuzzing of the HTTP API" "schemathesis is not there and could not be installed"
fi

if [ -n "$filter" ]; then
    stage "tests" cargo test --workspace --locked --no-fail-fast "$filter"
else
    # The conformance tests run at once, in the end, so that one table shows them all.
    stage "tests" cargo test --workspace --locked --no-fail-fast -- --skip conformance::
    if [ "${#clients[@]}" -gt 0 ]; then
        stage "conformance" node tests/conformance/run.mjs "${clients[@]}"
    fi
fi

tell
