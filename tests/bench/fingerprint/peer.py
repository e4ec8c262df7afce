"""A program's side of the benchmark: runs it some times over a folder, and prints one line of JSON with the
milliseconds per photo of each run, start included. Usage: peer.py PASSES PHOTOS COMMAND…"""

import json
import os
import resource
import subprocess
import sys
import time

passes, photos, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
taken = []
for _ in range(passes + 1):
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ})
    # czkawka ends with 11 where it has found something.
    if done.returncode not in (0, 11):
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    taken.append({"cpu": cpu * 1000 / photos, "wall": wall * 1000 / photos})
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"passes": taken[1:], "peak": peak}))
