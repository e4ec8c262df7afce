"""SSIM and bytes of variants: quality.py FOLDER FORMAT PHOTO..., one line of JSON.

The reference of each file is the whole photo as Pillow decodes it, upright, in sRGB, brought to the
file's own size with Lanczos. SSIM as Wang et al. 2004 define it: luma, Gaussian window of sigma 1.5.
"""

import io
import json
import sys
from pathlib import Path

import numpy
from PIL import Image, ImageCms, ImageOps
from scipy.ndimage import gaussian_filter

SRGB = ImageCms.createProfile("sRGB")


def original(path):
    image = ImageOps.exif_transpose(Image.open(path))
    profile = image.info.get("icc_profile")
    if profile:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        image = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
    return image.convert("RGB")


def ssim(one, other):
    one, other = (numpy.asarray(image.convert("L"), dtype=numpy.float64) for image in (one, other))

    def blur(values):
        return gaussian_filter(values, sigma=1.5, truncate=3.5)

    mean_one, mean_other = blur(one), blur(other)
    variance_one = blur(one * one) - mean_one**2
    variance_other = blur(other * other) - mean_other**2
    covariance = blur(one * other) - mean_one * mean_other
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_one * mean_other + c1) * (2 * covariance + c2)
    below = (mean_one**2 + mean_other**2 + c1) * (variance_one + variance_other + c2)
    # The window does not reach over the edge.
    return (above / below)[5:-5, 5:-5].mean()


def main():
    folder, suffix, *photos = sys.argv[1:]
    values, total = [], 0
    for photo in map(Path, photos):
        whole = original(photo)
        for file in sorted(Path(folder).glob(f"{photo.stem}-*.{suffix}")):
            variant = Image.open(file)
            values.append(ssim(variant, whole.resize(variant.size, Image.Resampling.LANCZOS)))
            total += file.stat().st_size
    print(json.dumps({"ssim": float(numpy.mean(values)), "kb": total / len(photos) / 1000, "files": len(values)}))


main()
