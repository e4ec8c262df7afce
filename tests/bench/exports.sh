#!/usr/bin/env bash
# Exports of one user's history as CSV, JSON and PDF: size, time and peak memory, each by a process of its own.
# Prints figures; asserts nothing.
#
#   bash tests/bench/exports.sh [NIGHTS] [PICTURES]     nights (50000), starred photos of 20 kB among them (1200)
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

nights=${1:-50000}
pictures=${2:-1200}
profile=${PROFILE:-release}
need_rust
need_cc
need_codec_tools || fail "the codecs cannot be built"
need_redis || fail "no Redis server"
need_fonts || fonts=/usr/share/fonts
cargo build --quiet --locked --profile "$profile" --bin roadie --manifest-path "$root/Cargo.toml"
roadie=${CARGO_TARGET_DIR:-$root/target}/${profile/#dev/debug}/roadie

work=$(mktemp -d)
end() {
    kill "${worker:-}" "${redis:-}" 2> /dev/null || true
    wait 2> /dev/null || true
    rm -rf "$work"
}
trap end EXIT
"$redis_server" --port 0 --unixsocket "$work/redis.sock" --save '' --dir "$work" > /dev/null &
redis=$!
cat > "$work/roadie.toml" << TOML
[data]
dir = "$work/data"
[redis]
url = "redis+unix://$work/redis.sock"
[database]
url = "sqlite://$work/catalogue.db"
[exports]
fonts = ["$fonts"]
[http]
listen = ""
[log]
level = "warn"
TOML
"$roadie" --config "$work/roadie.toml" migrate > /dev/null
python3 "$root/tests/bench/exports/history.py" "$work/catalogue.db" "$work/data/objects" "$nights" "$pictures"
echo "$nights nights of two artists each, $pictures pictures, $(nproc) cores, profile $profile"
for format in csv json pdf; do
    "$roadie" --config "$work/roadie.toml" run &
    worker=$!
    begin=$(date +%s%N)
    payload="{\"exportId\":\"e-$format\",\"userId\":7,\"format\":\"$format\"}"
    result=$("$roadie" --config "$work/roadie.toml" enqueue exports export-history "$payload" --watch 2> /dev/null | tail -1)
    ms=$((($(date +%s%N) - begin) / 1000000))
    bytes=$(printf %s "$result" | sed -E 's/.*"bytes":([0-9]+).*/\1/')
    echo "$format: $((bytes / 1000000)) MB in $ms ms; peak memory $(awk '/VmHWM/ {print int($2 / 1024)}' "/proc/$worker/status") MB"
    kill "$worker"
    wait "$worker" || true
done
made=$work/data/objects/exports
python3 "$root/tests/bench/exports/readers.py" "$(find "$made" -name '*.csv')" "$(find "$made" -name '*.json')" \
    "$work/office" "$(command -v soffice || true)"
file=$(find "$made" -name '*.pdf')
if has pdftotext; then
    pdftotext -enc UTF-8 "$file" "$work/text"
    found=$(grep -c -o -E '^(Artist|Opener) [0-9]+' "$work/text" || true)
    echo "pdftotext finds $(tr '\f' '\n' < "$work/text" | grep -o -E '\b(Artist|Opener) [0-9]+' | sort -u | wc -l) artists ($found lines), pdfinfo $(pdfinfo "$file" | awk '/^Pages/ {print $2}') pages"
fi
if [ -n "${KEEP:-}" ]; then
    cp "$file" "$KEEP"
fi
