#!/usr/bin/env bash
# Photos per second and peak memory of a scan (metadata only) of one process, beside exiftool reading
# the same tags of the same files in the same run. Prints figures; asserts nothing.
#
#   bash tests/bench/scan.sh [FOLDER] [COUNT]     FOLDER repeated to COUNT files (5000)
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

folder=${1:-$root/../shared/photos}
count=${2:-5000}
if [ ! -d "$folder" ]; then
    echo "no folder $folder; name one with photos" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
need_redis || fail "no Redis server"
cargo build --quiet --locked --profile demo --bin roadie --manifest-path "$root/Cargo.toml"
roadie=${CARGO_TARGET_DIR:-$root/target}/demo/roadie

mkdir "$work/photos"
find "$folder" -type f ! -name '*.csv' ! -name '*.md' | LC_ALL=C sort > "$work/list"
made=0 round=0
while [ "$made" -lt "$count" ]; do
    while IFS= read -r file && [ "$made" -lt "$count" ]; do
        to="$work/photos/$round/${file#"$folder"/}"
        mkdir -p "${to%/*}"
        cp "$file" "$to"
        made=$((made + 1))
    done < "$work/list"
    round=$((round + 1))
done
echo "$made files, $(du -sh "$work/photos" | cut -f1), $(nproc) cores"

peak() { # runs a command, prints its peak resident memory in MB
    /usr/bin/env python3 - "$@" <<'PY'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(f"peak memory {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MB")
PY
}

for run in 1 2 3; do
    echo "roadie, run $run:"
    peak "$roadie" demo "$work/photos" --data "$work/data" --redis-server "$redis_server" 2> /dev/null |
        grep -E '^(files .* second|peak)'
done

if command -v exiftool > /dev/null; then
    start=$(date +%s%N)
    exiftool -q -q -json -n -r -DateTimeOriginal -OffsetTimeOriginal -GPSLatitude -GPSLongitude -Orientation \
        -ImageSize "$work/photos" > "$work/exiftool.json" 2> /dev/null || true
    ms=$((($(date +%s%N) - start) / 1000000))
    echo "exiftool $(exiftool -ver), one process: $made files in $ms ms: $((made * 1000 / ms)) a second"
else
    echo "SKIPPED: exiftool because it is not installed (apt-get install libimage-exiftool-perl)"
fi
