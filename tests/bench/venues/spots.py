#!/usr/bin/env python3
"""Prints twenty positions of places in an extract, as latitude and longitude.

    spots.py EXTRACT OSMIUM
"""

import subprocess
import sys

command = [sys.argv[2], "tags-filter", "-R", "-f", "opl", sys.argv[1], "n/amenity=bar,pub"]
nodes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
step = max(1, len(nodes) // 20)
for node in nodes[::step][:20]:
    fields = {field[0]: field[1:] for field in node.split(" ")}
    print(fields["y"], fields["x"])
