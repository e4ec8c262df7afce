#!/usr/bin/env bash
# Variants of camera photos (1200, 800 and 400 pixels wide): photos a second, CPU time, peak memory, SSIM
# and bytes of Roadie and of sharp (libvips), in turns in one run, with one thread and with two. Roadie's
# side includes the camera data (EXIF), the placeholder and the fingerprint, sharp's does not.
# Prints figures; asserts nothing.
#
#   bash tests/bench/variants.sh [FOLDER] [PASSES]     JPEGs above 6 megapixels in FOLDER, 3 rounds of PASSES (5)
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

folder=${1:-$root/../shared/photos}
passes=${2:-5}
here=$root/tests/bench/variants
if [ ! -d "$folder" ]; then
    echo "no folder $folder; name one with photos" >&2
    exit 2
fi

need_rust
need_codec_tools
need_node || fail "sharp needs Node 18 and npm"
python_packages variants-quality "Pillow and SciPy, to judge the quality" "$here/requirements.txt" ||
    fail "the quality is judged with Python 3.11"
python=$cache/variants-quality/bin/python3
sharp=$cache/sharp
if ! cmp -s "$here/package-lock.json" "$sharp/package-lock.json"; then
    say "install     sharp into $sharp"
    rm -rf "${sharp:?}"
    mkdir -p "$sharp"
    cp "$here/package.json" "$sharp/"
    (cp "$here/package-lock.json" "$sharp/" && cd "$sharp" && npm ci --no-audit --no-fund >/dev/null) ||
        fail "sharp could not be installed from npm"
fi
cp "$here/sharp.mjs" "$sharp/"
(cd "$root" && cargo build --quiet --release --locked -p roadie-jobs --example variants)
roadie=${CARGO_TARGET_DIR:-$root/target}/release/examples/variants

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" "$here/photos.py" "$folder" >"$work/photos"
mapfile -t photos <"$work/photos"
[ "${#photos[@]}" -gt 0 ] || fail "no JPEG above 6 megapixels in $folder"
echo "${#photos[@]} photos, $(nproc) cores, sharp $(sed -n 's/^  "version": "\(.*\)".*/\1/p' "$sharp/node_modules/sharp/package.json")"

# side NAME FORMAT QUALITY EFFORT THREADS: a process of its own, so that its peak is its own.
side() {
    local name=$1 out=$work/$1-$2-$3-$4
    shift
    local options=(--format "$1" --quality "$2" --effort "$3" --threads "$4" --passes "$passes")
    mkdir -p "$out"
    options+=(--out "$out")
    if [ "$name" = roadie ]; then
        "$roadie" "${options[@]}" "${photos[@]}"
    else
        node "$sharp/sharp.mjs" "${options[@]}" "${photos[@]}"
    fi >>"$out.$4.jsonl"
}

# FORMAT ROADIE-QUALITY ROADIE-EFFORT SHARP-QUALITY SHARP-EFFORT
pairs=(
    "jpeg 80 0 80 0"
    "webp 80 2 80 2"
    "avif 60 9 60 0"
)
for threads in 1 2; do
    for round in 1 2 3; do
        say "round       $round of 3, $threads thread(s)"
        for pair in "${pairs[@]}"; do
            read -r format quality effort their_quality their_effort <<<"$pair"
            side roadie "$format" "$quality" "$effort" "$threads"
            side sharp "$format" "$their_quality" "$their_effort" "$threads"
        done
    done
done
for pair in "${pairs[@]}"; do
    read -r format quality effort their_quality their_effort <<<"$pair"
    for each in "roadie-$format-$quality-$effort" "sharp-$format-$their_quality-$their_effort"; do
        "$python" "$here/quality.py" "$work/$each" "$format" "${photos[@]}" >"$work/$each.quality"
    done
done
"$python" "$here/table.py" "$work" "${pairs[@]}"
