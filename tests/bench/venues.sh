#!/usr/bin/env bash
# How fast extracts of OpenStreetMap are imported, and how fast places are looked up, on both databases.
# The extract is made up here and written by osmium, or is one of your own. Prints figures; asserts nothing.
#
#   bash tests/bench/venues.sh [NODES | FILE.osm.pbf]     1000000 nodes
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

what=${1:-1000000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
need_osmium || fail "no osmium; as root: apt-get install osmium-tool"
extract=$work/extract.osm.pbf
if [ -f "$what" ]; then
    extract=$what
else
    python3 "$root/tests/bench/venues/extract.py" "$what" >"$work/extract.opl"
    "$osmium" sort "$work/extract.opl" -f pbf,add_metadata=false -o "$extract"
fi
echo "$extract: $(stat -c %s "$extract") bytes"

cargo build --quiet --locked --release --bin roadie --manifest-path "$root/Cargo.toml"
roadie=${CARGO_TARGET_DIR:-$root/target}/release/roadie
python3 "$root/tests/bench/venues/spots.py" "$extract" "$osmium" >"$work/spots"
measure() { # measure TITLE URL
    local settings=(--set "database.url=$2" --set "data.dir=$work/data" --set database.migrate_on_start=true)
    echo "$1:"
    for time in first again; do
        printf '  %s: ' "$time"
        "$roadie" "${settings[@]}" venues import --name bench "$extract" | head -n 1
    done
    while read -r lat lon; do
        "$roadie" "${settings[@]}" venues near "$lat" "$lon" --json
    done <"$work/spots" | python3 -c '
import json, sys
found = [json.loads(line) for line in sys.stdin]
micros = sorted(look["micros"] for look in found)
places = sum(len(look["places"]) for look in found) / len(found)
print(f"  {len(micros)} look-ups of 500 m, {places:.1f} places each: median {micros[len(micros) // 2]} µs, worst {micros[-1]} µs")'
}
measure SQLite "sqlite:$work/catalogue.db"
if [ -n "${TEST_POSTGRES_URL:-}" ]; then
    measure PostgreSQL "$TEST_POSTGRES_URL"
else
    echo "SKIPPED: PostgreSQL because TEST_POSTGRES_URL names no empty database"
fi
