"""The table of the benchmark: medians, from lines of `name<TAB>json` on the standard input, and how often
the first one goes into each of the others."""

import json
import statistics
import sys

rows = [line.rstrip("\n").split("\t") for line in sys.stdin if line.strip()]
print(f"{'':44}{'CPU ms/photo':>14}{'photos/s':>10}{'peak MB':>9}{'× CPU':>8}{'× wall':>8}")
first = None
for name, told in rows:
    told = json.loads(told)
    cpu = statistics.median(each["cpu"] for each in told["passes"])
    wall = statistics.median(each["wall"] for each in told["passes"])
    first = first or (cpu, wall)
    print(f"{name:44}{cpu:14.2f}{1000 / wall:10.1f}{told['peak']:9.0f}{cpu / first[0]:8.2f}{wall / first[1]:8.2f}")
