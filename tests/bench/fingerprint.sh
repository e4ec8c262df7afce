#!/usr/bin/env bash
# Fingerprints of camera JPEGs above 6 megapixels, one thread: Roadie (read, EXIF, scaled decode, hash) beside
# czkawka (its gradient hash) and imagededup (its difference hash) in one run, and beside the floor below
# which no decoder gets: the entropy decoding alone, sampled by perf. Prints figures; asserts nothing.
#
#   bash tests/bench/fingerprint.sh [FOLDER] [PASSES]     ../shared/photos, 5
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

folder=${1:-$root/../shared/photos}
passes=${2:-5}
here=$root/tests/bench/fingerprint
czkawka_version=12.0.2
imagededup_version=0.3.3.post2
if [ ! -d "$folder" ]; then
    echo "no folder $folder; name one with photos" >&2
    exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need_rust
need_cc
need_codec_tools || fail "the codecs cannot be built"
cargo build --quiet --locked --release -p roadie-jobs --example fingerprint --manifest-path "$root/Cargo.toml"
roadie=${CARGO_TARGET_DIR:-$root/target}/release/examples/fingerprint

# Built and installed beside the other tools, outside of the repository.
need_czkawka() {
    czkawka=$cache/czkawka/bin/czkawka_cli
    [ -x "$czkawka" ] && return
    say "install     czkawka_cli $czkawka_version into $cache/czkawka (some minutes)"
    CARGO_TARGET_DIR=$work/czkawka cargo install --quiet --locked --root "$cache/czkawka" \
        "czkawka_cli@$czkawka_version"
}
need_imagededup() {
    python_packages imagededup "imagededup's hashes" "$here/requirements.txt" || return 1
    imagededup=$cache/imagededup/bin/python3
    "$imagededup" -c 'import importlib.metadata as m; m.version("imagededup")' 2> /dev/null ||
        "$imagededup" -m pip install --quiet --disable-pip-version-check --no-deps \
            "imagededup==$imagededup_version" >&2
}

# The sizes are in the frame headers; a thumbnail's is smaller than the photo's.
mapfile -t photos < <(python3 - "$folder" << 'PY'
import pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    if "malformed" in path.parts or path.suffix.lower() not in {".jpg", ".jpeg"}:
        continue
    data, most, at = path.read_bytes(), 0, 0
    while (at := data.find(b"\xff", at)) >= 0 and at + 9 < len(data):
        if data[at + 1] in (0xC0, 0xC1, 0xC2) and data[at + 4] == 8:
            height, width = (int.from_bytes(data[i : i + 2], "big") for i in (at + 5, at + 7))
            if data[at + 9] in (1, 3) and width < 30000 and height < 30000:
                most = max(most, width * height)
        at += 1
    if most > 6_000_000:
        print(path)
PY
)
count=${#photos[@]}
[ "$count" -gt 0 ] || fail "no JPEGs above 6 megapixels in $folder"
echo "$count JPEGs above 6 megapixels, one thread, medians of $passes passes, files in the page cache"

side() { # NAME COMMAND…
    local name=$1
    shift
    printf '%s\t%s\n' "$name" "$("$@")" >> "$work/rows"
}
side "roadie: read, EXIF, decode, hash" "$roadie" look 1 "$passes" "${photos[@]}"
side "roadie: the same, and SHA-256 of the file" "$roadie" content 1 "$passes" "${photos[@]}"
if need_czkawka; then
    mkdir "$work/photos"
    for photo in "${photos[@]}"; do
        cp "$photo" "$work/photos/$(printf '%s' "$photo" | cksum | cut -d' ' -f1).jpg"
    done
    side "czkawka $czkawka_version: gradient 8" python3 "$here/peer.py" "$passes" "$count" "$czkawka" image \
        --directories "$work/photos" --hash-alg Gradient --hash-size 8 --thread-number 1 --disable-cache
else
    echo "SKIPPED: czkawka because it could not be built"
fi
if need_imagededup; then
    side "imagededup $imagededup_version: DHash" "$imagededup" "$here/imagededup_hash.py" "$passes" "${photos[@]}"
else
    echo "SKIPPED: imagededup because it could not be installed"
fi
side "roadie again: read, EXIF, decode, hash" "$roadie" look 1 "$passes" "${photos[@]}"
python3 "$here/table.py" < "$work/rows"

if has perf && perf record --quiet --event cpu-clock --freq 2000 --output "$work/perf" \
    "$roadie" look 1 "$passes" "${photos[@]}" > /dev/null 2>&1; then
    perf report --stdio --no-children --fields overhead,symbol --input "$work/perf" 2> /dev/null |
        awk '/decode_mcu|jpeg_fill_bit_buffer|entropy/ { sub("%", "", $1); share += $1 }
            END { printf "entropy decoding is %.1f %% of the CPU time: so much of the floor is reached\n", share }'
else
    echo "SKIPPED: the share of entropy decoding because perf is not there or may not sample"
fi
