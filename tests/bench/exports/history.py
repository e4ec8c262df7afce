"""Writes a history into a migrated SQLite catalogue, for tests/bench/exports.sh.

Arguments: the database, the folder of the object store, nights, how many of them have a starred photo.
Each night has two artists, one of them with twelve songs. Every tenth is in other scripts, with 4,000 Chinese characters
in all, as far as there are nights.
"""

import datetime
import json
import pathlib
import sqlite3
import sys

USER = 7
PICTURE_BYTES = 20_000
CITIES = ["東京", "서울", "Москва", "Αθήνα", "กรุงเทพ", "दिल्ली", "القاهرة", "Łódź 🎸"]


def jpeg(width: int, height: int, size: int) -> bytes:
    """A grey baseline JPEG (ITU-T T.81) of about so many bytes: all that fills it is a comment."""
    blocks = -(-width // 8) * -(-height // 8)
    table = bytes.fromhex("ffc40014") + b"%c\x01" + bytes(15) + b"\x00"
    frame = bytes.fromhex("ffc0000b08") + height.to_bytes(2) + width.to_bytes(2) + bytes.fromhex("01011100")
    comment = b"\xff\xfe" + (size + 2).to_bytes(2) + b"x" * size
    return b"".join([
        b"\xff\xd8", comment, b"\xff\xdb\x00\x43\x00", b"\x01" * 64, frame, table % 0, table % 16,
        bytes.fromhex("ffda0008010100003f00"), bytes(-(-blocks * 2 // 8)), b"\xff\xd9",
    ])


def main() -> None:
    database, objects, nights, pictures = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    picture = jpeg(400, 300, PICTURE_BYTES)
    (objects / "images" / "v").mkdir(parents=True)
    rows: dict[str, list[tuple]] = {}

    def add(table: str, *values) -> None:
        rows.setdefault(table, []).append(values)

    add("users (user_id, created_at)", USER, 1)
    for i in range(nights):
        date = (datetime.date(1975, 1, 1) + datetime.timedelta(days=i * 18_000 // nights)).isoformat()
        venue, night = f"v{i}", f"v{i}@{date}"
        songs = [f"Song {number} of night {i}" for number in range(1, 13)]
        city = f"City {i % 97}"
        if i % 10 == 0:
            city = CITIES[i // 10 % len(CITIES)]
            songs[0] = chr(0x4E00 + i // 10 % 4_000) + songs[0]
        sets = json.dumps([{"name": None, "songs": songs}])
        url = "https://www.setlist.fm/setlist/"
        add("venues (venue_id, name, city, state, country, created_at, updated_at)",
            venue, f"Venue {i}", city, "Region", "Country", 1, 1)
        for kind, count, tour, played in (("a", 12, f"Tour {i % 9}", sets), ("o", 0, None, None)):
            name = f"Artist {i}" if kind == "a" else f"Opener {i}"
            add("artists (artist_id, name, created_at, updated_at)", f"{kind}{i}", name, 1, 1)
            add("setlists (setlist_id, night_id, artist_id, url, songs, tour, sets, created_at, updated_at)",
                f"{kind}{i}", night, f"{kind}{i}", f"{url}{kind}{i}.html", count, tour, played, 1, 1)
        add("event_nights (night_id, venue_id, local_date, festival, created_at)", night, venue, date, 0, 1)
        starred = i * pictures // nights != (i + 1) * pictures // nights
        add("photos (user_id, provider, file_id, name, source_rev, starred_at, created_at, updated_at)",
            USER, "folder", str(i), "p.jpg", "r", 1 if starred else None, 1, 1)
        add("photo_links (user_id, provider, file_id, night_id, decided_by, linked_at)",
            USER, "folder", str(i), night, "auto", 1)
        if starred:
            key = f"v/{i}.jpg"
            (objects / "images" / key).write_bytes(picture)
            variant = {"format": "jpeg", "type": "image/jpeg", "width": 400, "height": 300,
                       "bytes": len(picture), "key": key, "url": f"/{key}"}
            manifest = {"photoId": str(i), "sourceRev": "r", "thumbHash": "", "bucket": "images",
                        "variants": [variant], "srcset": {}}
            add("photo_variants (user_id, provider, file_id, source_rev, recipe, manifest, created_at)",
                USER, "folder", str(i), "r", "", json.dumps(manifest), 1)
    order = ["users", "venues", "artists", "event_nights", "setlists", "photos", "photo_links", "photo_variants"]
    with sqlite3.connect(database) as to:
        for table in sorted(rows, key=lambda into: order.index(into.split()[0])):
            marks = ", ".join("?" * len(rows[table][0]))
            to.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])


main()
