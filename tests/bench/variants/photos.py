"""The camera JPEGs above 6 megapixels below a folder that can be read to their end, one path a line."""

import sys
from pathlib import Path

from PIL import Image

for path in sorted(Path(sys.argv[1]).rglob("*")):
    if "malformed" not in path.parts and path.suffix.lower() in {".jpg", ".jpeg"}:
        try:
            image = Image.open(path)
            if image.format == "JPEG" and image.width * image.height > 6_000_000:
                image.load()
                print(path)
        except (OSError, Image.DecompressionBombError):
            pass
