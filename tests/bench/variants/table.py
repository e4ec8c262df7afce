"""The table of tests/bench/variants.sh: table.py FOLDER PAIR..."""

import json
import statistics
import sys
from pathlib import Path


def runs(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def figures(folder, side, threads):
    """Medians of all passes of all rounds; the peak is the highest."""
    all_runs = runs(folder / f"{side}.{threads}.jsonl")
    passes = [one for run in all_runs for one in run["passes"]]
    quality = json.loads((folder / f"{side}.quality").read_text())
    return {
        "cpu": statistics.median(one["cpu"] for one in passes),
        "wall": statistics.median(one["wall"] for one in passes),
        "peak": max(run["peak"] for run in all_runs),
        **quality,
    }


def main():
    folder, pairs = Path(sys.argv[1]), [pair.split() for pair in sys.argv[2:]]
    head = ["", "threads", "CPU ms", "photos/s", "peak MB", "SSIM", "kB"]
    row = "{:<22} {:>7} {:>8} {:>9} {:>8} {:>8} {:>7}"
    for name, quality, effort, their_quality, their_effort in pairs:
        print(f"\n{name}")
        print(row.format(*head))
        for threads in (1, 2):
            ours = figures(folder, f"roadie-{name}-{quality}-{effort}", threads)
            theirs = figures(folder, f"sharp-{name}-{their_quality}-{their_effort}", threads)
            sides = ((f"roadie q{quality} e{effort}", ours), (f"sharp q{their_quality} e{their_effort}", theirs))
            for side, found in sides:
                print(
                    row.format(
                        side,
                        threads,
                        f"{found['cpu']:.1f}",
                        f"{1000 / found['wall']:.1f}",
                        f"{found['peak']:.0f}",
                        f"{found['ssim']:.4f}",
                        f"{found['kb']:.0f}",
                    )
                )
            print(
                f"  roadie / sharp: {theirs['cpu'] / ours['cpu']:.2f} × by CPU time, "
                f"{theirs['wall'] / ours['wall']:.2f} × by wall time, {ours['peak'] / theirs['peak']:.2f} of the memory, "
                f"SSIM {ours['ssim'] - theirs['ssim']:+.4f}, {100 * (ours['kb'] / theirs['kb'] - 1):+.1f} % bytes"
            )


main()
