#!/usr/bin/env bash
# How good and how fast matching is. Quality: the labelled photos beside the repository, from places alone
# and with the venues' coordinates. Speed: a made-up library. Prints figures; asserts nothing.
#
#   bash tests/bench/matching.sh [FOLDER] [COUNT]     FOLDER with the labelled photos, COUNT photos (100000)
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

folder=${1:-$root/../shared/fixtures/bench}
count=${2:-100000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
score=$root/../shared/score/score_matching.py
if [ -e "$folder/labels.json" ] && [ -e "$score" ]; then
    cargo build --quiet --locked --profile demo --bin roadie --manifest-path "$root/Cargo.toml"
    roadie=${CARGO_TARGET_DIR:-$root/target}/demo/roadie
    quality() { # quality TITLE ARGUMENT...
        echo "$1:"
        shift
        "$roadie" evaluate matching --photos "$folder/photos.jsonl" --setlists "$folder/setlists_world.json" \
            --pois "$folder/pois_overpass_shaped.json" --out "$work/predictions.jsonl" "$@"
        python3 "$score" "$folder/labels.json" "$work/predictions.jsonl"
    }
    quality 'from places alone'
    quality 'from places alone, in a venue table' --table
    quality 'with the coordinates of venues' --venues "$folder/venues_truth.json"
else
    echo "SKIPPED: quality because $folder/labels.json or $score is not there"
fi

cargo run --quiet --locked --release --manifest-path "$root/Cargo.toml" -p roadie-jobs --example matching -- "$count"
