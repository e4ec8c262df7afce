#!/usr/bin/env bash
# Photos per second of a scan of a Google Drive by one process, where every answer takes a while and one photo in
# ten has to be looked into, beside a plain client that asks one thing after the other. Prints figures.
#
#   bash tests/bench/drive.sh [COUNT] [LATENCY]     photos (20000), milliseconds of every answer (50)
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

count=${1:-20000}
latency=${2:-50}
profile=${PROFILE:-release}
need_redis || fail "no Redis server"
cargo build --quiet --locked --profile "$profile" --bin roadie --example drive_stand_in --manifest-path "$root/Cargo.toml"
built=${CARGO_TARGET_DIR:-$root/target}/${profile/#dev/debug}

work=$(mktemp -d)
key=k1:$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
client=stand-in-client secret=stand-in-secret
end() {
    kill "${worker:-}" "${redis:-}" 2> /dev/null || true
    wait 2> /dev/null || true
    rm -rf "$work"
}
trap end EXIT

"$redis_server" --port 0 --unixsocket "$work/redis.sock" --save '' --dir "$work" > /dev/null &
redis=$!
mkfifo "$work/hold"
"$built/examples/drive_stand_in" "$count" "$latency" "sqlite://$work/catalogue.db" "$key" \
    < "$work/hold" > "$work/told" &
stand_in=$!
exec 3> "$work/hold"
until [ -s "$work/told" ]; do
    kill -0 "$stand_in" || fail "the stand-in has ended"
    sleep 0.1
done
told=$(head -1 "$work/told")
field() { printf %s "$told" | sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/"; }

cat > "$work/roadie.toml" <<TOML
[redis]
url = "redis+unix://$work/redis.sock"
[database]
url = "sqlite://$work/catalogue.db"
[http]
listen = ""
[tokens]
keys = ["$key"]
[google]
client_id = "$client"
client_secret = "$secret"
drive = "$(field drive)"
token_url = "$(field tokens)"
[budgets.google_drive]
rate = 0.0
[log]
level = "warn"
TOML
"$built/roadie" --config "$work/roadie.toml" run &
worker=$!
echo "$count photos, $latency ms an answer, $(nproc) cores, profile $profile"
scan() {
    local result ms
    result=$("$built/roadie" --config "$work/roadie.toml" enqueue photo-processing scan-drive "$1" --watch 2> /dev/null | tail -1)
    ms=$(printf %s "$result" | sed -E 's/.*"duration":([0-9]+).*/\1/')
    echo "roadie, $2: $ms ms: $((count * 1000 / ms)) photos a second; peak memory $(awk '/VmHWM/ {print int($2 / 1024)}' "/proc/$worker/status") MB"
}
scan '{"userId":7}' 'first scan'
scan '{"userId":7,"mode":"full"}' 'everything listed again'
scan '{"userId":7}' 'nothing has changed'
python3 "$root/tests/bench/drive/client.py" "$told" "$client" "$secret"
exec 3>&-
wait "$stand_in"
tail -1 "$work/told"
