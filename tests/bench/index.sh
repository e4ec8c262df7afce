#!/usr/bin/env bash
# All pairs of fingerprints within the working radius, and look-ups of one: CPU time of one core, memory,
# and the same pairs counted one by one. Prints figures; fails where the pairs differ.
#
#   bash tests/bench/index.sh [WORDS…]      1000000 10000000
set -euo pipefail

# shellcheck source=deploy/bootstrap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/bootstrap.sh"

radius=8
if [ $# = 0 ]; then
    set -- 1000000 10000000
fi
need_rust
need_cc
need_codec_tools || fail "the codecs cannot be built"
cargo build --quiet --locked --release -p roadie-jobs --example index --manifest-path "$root/Cargo.toml"
index=${CARGO_TARGET_DIR:-$root/target}/release/examples/index

"$index" uniform 100000 "$radius" check
"$index" clumpy 100000 "$radius" check
for words in "$@"; do
    "$index" uniform "$words" "$radius" check
    if [ "$words" -le 1000000 ]; then
        # As much alike as real photos are; nobody has ten million.
        "$index" clumpy "$words" "$radius"
    fi
done
