#!/usr/bin/env bash
# From a fresh clone to scanned photos in one command; see --help.
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"

usage() {
    cat <<'USAGE'
usage: bash deploy/demo.sh [FOLDER] [--serve] [OPTION...]

Builds roadie and runs `roadie demo`: the whole daemon with a private Redis and SQLite scans the
photos of FOLDER (without one: sample photos, made for it), prints what it found, and stops. Which concerts
the samples are of is asked of stand-ins on this machine.

  --serve                 stay up after the scan, until Ctrl-C
  --redis-server PROGRAM  this Redis server instead of one that is looked for
  --data FOLDER           where the demo keeps its data
  -h, --help              this text

Needs a Rust toolchain. A Redis server is taken from the PATH, else unpacked from the distribution's
package into a cache folder, else built with cargo; no service is started and no port is taken by it.
Missing compilers are installed with apt-get, as root or with sudo, else unpacked likewise. The first build takes some
minutes, later ones none. On macOS: brew install redis.
USAGE
}

look_for_redis=true
for argument in "$@"; do
    case $argument in
        -h | --help)
            usage
            exit 0
            ;;
        --redis-server | --redis-server=*) look_for_redis=false ;;
    esac
done

need_rust
need_codec_tools
options=()
if $look_for_redis; then
    need_redis || fail "no Redis server; install redis-server (macOS: brew install redis)"
    options=(--redis-server "$redis_server")
fi

say "build       roadie (some minutes the first time)"
manifest=$root/Cargo.toml
cargo build --locked --profile demo --bin roadie --manifest-path "$manifest"
# Wherever the configuration of cargo puts it.
target=$(cargo metadata --locked --offline --no-deps --format-version 1 --manifest-path "$manifest" |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
exec "$target/demo/roadie" demo ${options[@]+"${options[@]}"} "$@"
