#!/usr/bin/env python3
"""Writes a made-up extract of OpenStreetMap in the text format OPL, for osmium to turn into .osm.pbf.

    extract.py NODES > extract.opl

One way for eight nodes, one relation for
fifty ways. Nodes crowd around a hundred towns. One node in a hundred, one way in forty and one relation
in ten is a place where concerts could be. The same number gives the same file.
"""

import random
import sys

WORDS = (
    "blue black red golden silver old crystal royal star moon river harbour castle garden king queen lion "
    "eagle fox rabbit wolf note jazz velvet electric paradise orpheum apollo roxy fillmore union railway "
    "brewery market union bell crown anchor bridge mill forge tower abbey chapel"
).split()
KINDS = [("amenity=bar", 24), ("amenity=pub", 18), ("amenity=restaurant", 60), ("amenity=cafe", 30),
         ("amenity=place_of_worship", 25), ("leisure=park", 30), ("amenity=community_centre", 5),
         ("amenity=theatre", 3), ("amenity=nightclub", 3), ("amenity=arts_centre", 2),
         ("amenity=music_venue", 1), ("leisure=stadium", 2), ("amenity=events_venue", 1)]


def main():
    count = int(sys.argv[1])
    chance = random.Random(7)
    towns = [(chance.uniform(47.4, 54.9), chance.uniform(6.1, 14.9)) for _ in range(100)]
    kinds = [kind for kind, _ in KINDS]
    weights = [weight for _, weight in KINDS]

    def place():
        name = "%20%".join(word.capitalize() for word in chance.sample(WORDS, chance.randint(1, 3)))
        return f"{chance.choices(kinds, weights)[0]},name={name},wheelchair=yes"

    out = sys.stdout.write
    for node in range(1, count + 1):
        north, east = towns[(node - 1) // 8 % 100]
        at = f"x{chance.gauss(east, 0.06):.7f} y{chance.gauss(north, 0.04):.7f}"
        tags = place() if chance.random() < 0.01 else "highway=crossing" if chance.random() < 0.05 else ""
        out(f"n{node} v1 T{tags} {at}\n")
    ways = count // 8
    for way in range(1, ways + 1):
        first = (way - 1) * 8 + 1
        nodes = ",".join(f"n{node}" for node in [*range(first, first + 8), first])
        tags = place() if chance.random() < 0.025 else "building=yes"
        out(f"w{way} v1 T{tags} N{nodes}\n")
    for relation in range(1, ways // 50 + 1):
        members = ",".join(f"w{chance.randint(1, ways)}@outer" for _ in range(3))
        tags = f"type=multipolygon,{place()}" if chance.random() < 0.1 else "type=multipolygon,landuse=forest"
        out(f"r{relation} v1 T{tags} M{members}\n")


main()
