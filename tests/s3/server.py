"""An S3 store (moto) whose buckets keep versions of objects.

usage: server.py BUCKET...

Prints its port, and ends when standard input does. A line of JSON there, {"bucket": "b", "prefix": "p/", "removed": 9,
"uploads": 9}, makes so many objects that were removed (each is a version and a delete marker) and uploads that were
never completed; it is answered by a line.
"""

import json
import sys

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

# Uploads that are listed at once: fewer than S3 lists, so that tests need not make as many.
PAGE = 100


def paged(listing):
    """moto would list all of them."""

    def page(response):
        status, headers, body = listing(response)
        begin, *uploads = body.split("<Upload>")
        if len(uploads) > PAGE:
            end = uploads[-1].split("</Upload>")[1]
            body = "<Upload>".join([begin, *uploads[:PAGE]]) + end
            body = body.replace("<IsTruncated>false", "<IsTruncated>true")
        return status, headers, body

    return page


def fill(store, bucket, prefix, removed, uploads):
    for number in range(removed):
        store.put_object(bucket, f"{prefix}{number}", b"")
        store.delete_object(bucket, f"{prefix}{number}")
    for number in range(uploads):
        store.create_multipart_upload(bucket, f"{prefix}{number}", {}, "STANDARD", {}, None, "", "")


S3Response.list_multipart_uploads = paged(S3Response.list_multipart_uploads)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
for bucket in sys.argv[1:]:
    store.create_bucket(bucket, "us-east-1")
    store.put_bucket_versioning(bucket, "Enabled")
print(server.get_host_and_port()[1], flush=True)
for line in sys.stdin:
    fill(store, **json.loads(line))
    print("filled", flush=True)
