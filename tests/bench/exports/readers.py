"""Reads an export as others do, for tests/bench/exports.sh: Python's csv and LibreOffice against the JSON file.

Arguments: the CSV file, the JSON file, a folder for what LibreOffice writes, LibreOffice's program or nothing.
"""

import csv
import json
import pathlib
import subprocess
import sys

# Commas, quotes, UTF-8, from the first row on; no column is anything but text.
AS_TEXT = "44,34,76,1,,0,true"


def table(path: pathlib.Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file, strict=True))


def main() -> None:
    path, told, out, office = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
    rows = table(path)
    with open(told, encoding="utf-8") as file:
        nights = json.load(file)["nights"]
    cells = [(night["date"], night["venue"], night["city"], show["artist"], str(show["songs"]))
             for night in nights for show in night["shows"]]
    read = [(row["date"], row["venue"], row["city"], row["artist"], row["songs"]) for row in rows]
    print(f"Python's csv: {len(rows)} rows, {'as' if read == cells else 'NOT AS'} in the JSON file")
    if not office:
        return
    subprocess.run(
        [office, f"-env:UserInstallation=file://{pathlib.Path(out).resolve()}/home", "--headless",
         f"--infilter=Text - txt - csv (StarCalc):{AS_TEXT},false,false", "--convert-to",
         f"csv:Text - txt - csv (StarCalc):{AS_TEXT},true,false", "--outdir", out, path],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kept = table(pathlib.Path(out) / path.name)
    print(f"LibreOffice: {len(kept)} rows, {'the same' if kept == rows else 'NOT THE SAME'} after a round trip")


main()
