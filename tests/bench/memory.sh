#!/usr/bin/env bash
# Two hundred photos at once on two cores with a limit of memory: how long it takes, what it needs at
# the peak, whether a lease was lost. The largest pictures are among them, each job makes its own
# variants. The limit is a cgroup's where one can be made (root), else of the address space
# (LIMIT_BY=ulimit: always). Prints figures; fails when a job did not end or the process was killed. ROADIE names a program that is built.
#
#   bash tests/bench/memory.sh [FOLDER] [LIMIT] [JOBS]     ../shared/photos, 1024 (MiB), 200
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

folder=$(realpath "${1:-$root/../shared/photos}")
limit=${2:-1024}
jobs=${3:-200}
[ -d "$folder" ] || fail "no folder $folder; name one with photos"

work=$(mktemp -d)
redis='' roadie_pid='' group=''
finish() {
    [ -z "$roadie_pid" ] || kill -9 "$roadie_pid" 2>/dev/null || true
    [ -z "$redis" ] || kill "$redis" 2>/dev/null || true
    wait 2>/dev/null || true
    [ -z "$group" ] || rmdir "$group" || true
    rm -rf "$work"
}
trap finish EXIT

need_redis || fail "no Redis server"
roadie=${ROADIE:-}
if [ -z "$roadie" ]; then
    cargo build --quiet --locked --profile demo --bin roadie --manifest-path "$root/Cargo.toml"
    roadie=${CARGO_TARGET_DIR:-$root/target}/demo/roadie
fi

"$redis_server" --unixsocket "$work/redis.sock" --port 0 --save '' --daemonize no >/dev/null &
redis=$!
cat >"$work/roadie.toml" <<TOML
[redis]
url = "redis+unix://$work/redis.sock"
[data]
dir = "$work/data"
[database]
migrate_on_start = true
[folders]
roots = ["$folder"]
[http]
listen = "127.0.0.1:0"
[worker]
slots = $((jobs + 10))
[queues.photo-processing]
[queues.image-optimization]
slots = $jobs
TOML
export ROADIE_CONFIG=$work/roadie.toml

# A group of its own with the limit, of either version of cgroups.
if [ "${LIMIT_BY:-}" = ulimit ]; then
    :
elif [ -d /sys/fs/cgroup/memory ] && mkdir "/sys/fs/cgroup/memory/roadie-$$" 2>/dev/null; then
    group=/sys/fs/cgroup/memory/roadie-$$ peak=memory.max_usage_in_bytes
    echo "${limit}M" >"$group/memory.limit_in_bytes"
elif mkdir "/sys/fs/cgroup/roadie-$$" 2>/dev/null && [ -f "/sys/fs/cgroup/roadie-$$/memory.max" ]; then
    group=/sys/fs/cgroup/roadie-$$ peak=memory.peak
    echo "${limit}M" >"$group/memory.max"
    echo 0 >"$group/memory.swap.max" 2>/dev/null || true
fi
(
    if [ -n "$group" ]; then
        echo "$BASHPID" >"$group/cgroup.procs"
    else
        ulimit -v $((limit * 1024))
    fi
    exec taskset -c 0,1 "$roadie" run
) 2>"$work/log" &
roadie_pid=$!
if [ -n "$group" ]; then
    echo "limit       $limit MiB, of a cgroup"
else
    echo "limit       $limit MiB, of the address space (ulimit -v)"
fi
for _ in $(seq 100); do
    grep -q ' serving ' "$work/log" && break
    sleep 0.1
done
http=$(sed -n 's/.* http=\([^ ]*\).*/\1/p' "$work/log")
[ -n "$http" ] || { cat "$work/log" >&2; fail "roadie does not serve"; }

"$roadie" enqueue photo-processing scan-folder "{\"userId\":7,\"path\":\"$folder\"}" --watch >/dev/null
metric() { curl -s "http://$http/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
resident() { awk -v name="$1:" '$1 == name { print int($2 / 1024) }' "/proc/$roadie_pid/status"; }
echo "budget      $(($(metric 'roadie_memory_budget_bytes{state="free"}') / 1048576)) MiB for pictures"
echo "idle        $(resident VmRSS) MB resident after the scan"

# Every photo in turn, the largest first; widths differ, so that no job finds another one's work done.
python3 - "$work/data/catalogue.db" "$jobs" >"$work/jobs" <<'PY'
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute(
    "SELECT photo_id, width * height FROM photos ORDER BY 2 DESC").fetchall()
for number in range(int(sys.argv[2])):
    photo, _ = rows[number % len(rows)]
    turn = number // len(rows)
    widths = [400 + turn, 800 + turn, 1200 + turn]
    print(json.dumps({"userId": 7, "photoId": photo, "widths": widths}))
print(f"{len(rows)} photos, the largest of {rows[0][1] / 1e6:.0f} and {rows[1][1] / 1e6:.0f} megapixels", file=sys.stderr)
PY
"$roadie" queues pause image-optimization --reason "until all are there" >/dev/null
xargs -d '\n' -P 2 -I '{}' "$roadie" enqueue image-optimization optimize-photo '{}' <"$work/jobs" >/dev/null
start=$(date +%s%N)
"$roadie" queues resume image-optimization >/dev/null
done_jobs=0 most=0
while [ "$done_jobs" -lt "$jobs" ]; do
    kill -0 "$roadie_pid" 2>/dev/null || { tail -n 20 "$work/log" >&2; fail "the process was killed"; }
    sleep 0.2
    ended=$(metric 'bullmq_job_completed_total{queue="image-optimization"}')
    died=$(metric 'bullmq_job_failed_total{queue="image-optimization"}')
    done_jobs=$((${ended:-0} + ${died:-0}))
    used=$(metric 'roadie_memory_budget_bytes{state="used"}')
    [ "${used:-0}" -le "$most" ] || most=$used
done
ms=$((($(date +%s%N) - start) / 1000000))
echo "jobs        $ended completed, $died dead letters, in $ms ms"
echo "leases      $(metric 'roadie_jobs_recovered_total{queue="image-optimization",reason="lease_expired"}') lost, $(metric 'roadie_stale_results_rejected_total{queue="image-optimization"}') results too late"
echo "reserved    $((most / 1048576)) MiB of the budget at most"
echo "peak        $(resident VmHWM) MB resident"
[ -z "$group" ] || echo "peak        $(($(cat "$group/$peak") / 1048576)) MiB in the cgroup, page cache included"
sleep 2
echo "afterwards  $(resident VmRSS) MB resident"
"$roadie" dead list --group 2>/dev/null | head -n 20
