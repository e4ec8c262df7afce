"""imagededup's side of the benchmark: the DHash (its fastest) of each photo, one pass after the other, and
one line of JSON with the milliseconds per photo of each. Usage: imagededup_hash.py PASSES PHOTOS…"""

import importlib.abc
import importlib.machinery
import json
import logging
import resource
import sys
import time
from unittest.mock import MagicMock


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for what imagededup imports and its hashes do not use."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "sklearn", "matplotlib", "pkg_resources"}:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Absent())
logging.disable(logging.CRITICAL)

from imagededup.methods import DHash  # noqa: E402

passes, photos = int(sys.argv[1]), sys.argv[2:]
hasher = DHash(verbose=False)


def everything():
    for photo in photos:
        if hasher.encode_image(image_file=photo) is None:
            raise SystemExit(f"imagededup cannot read {photo}")


everything()
taken = []
for _ in range(passes):
    cpu, begun = time.process_time(), time.perf_counter()
    everything()
    wall = time.perf_counter() - begun
    each = 1000 / len(photos)
    taken.append({"cpu": (time.process_time() - cpu) * each, "wall": wall * each})
print(json.dumps({"passes": taken, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
