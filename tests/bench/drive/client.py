"""A plain client of Google Drive: page after page, then one photo after the other.

Arguments: JSON of the stand-in, client id, client secret. Prints how many photos it knows the time of.
"""

import json
import sys
import time
import urllib.parse
import urllib.request

stand_in, client, secret = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
FIELDS = "nextPageToken,files(id,name,mimeType,size,parents,imageMediaMetadata)"
started = time.monotonic()

form = {
    "grant_type": "refresh_token",
    "client_id": client,
    "client_secret": secret,
    "refresh_token": stand_in["refresh"],
}
with urllib.request.urlopen(stand_in["tokens"], urllib.parse.urlencode(form).encode()) as reply:
    bearer = {"Authorization": "Bearer " + json.load(reply)["access_token"]}


def ask(path, headers=None, **parameters):
    url = f"{stand_in['drive']}{path}?{urllib.parse.urlencode(parameters)}"
    request = urllib.request.Request(url, headers={**bearer, **(headers or {})})
    with urllib.request.urlopen(request) as reply:
        return reply.read()


photos, token = [], None
while True:
    more = {"pageToken": token} if token else {}
    query = "trashed = false and mimeType contains 'image/'"
    page = json.loads(ask("/files", q=query, pageSize=1000, fields=FIELDS, corpora="user", **more))
    photos += page["files"]
    token = page.get("nextPageToken")
    if not token:
        break
read = 0
for photo in photos:
    if "time" not in photo.get("imageMediaMetadata", {}):
        ask(f"/files/{photo['id']}", {"Range": "bytes=0-65535"}, alt="media")
        read += 1
seconds = time.monotonic() - started
print(f"plain client: {len(photos)} photos, {read} heads in {seconds:.1f} s: {len(photos) / seconds:.0f} photos a second")
