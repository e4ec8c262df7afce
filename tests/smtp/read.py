"""Reads a mail from standard input as RFC 5322 and MIME say, and tells what it holds as JSON."""

import email
import email.errors
import email.policy
import json
import sys
from email.header import decode_header, make_header

raw = sys.stdin.buffer.read()
# Bytes beyond ASCII, which only addresses have here (RFC 6532), its parser of bytes leaves undecoded.
mail = email.message_from_string(raw.decode(), policy=email.policy.default)
# Up to Python 3.12 the parser of addresses keeps the space between two encoded words, which is none (RFC 2047, 6.2).
plain = email.message_from_string(raw.decode())
people = {name: str(make_header(decode_header(plain[name]))) for name in ("From", "To")}
defects = [str(defect) for part in mail.walk() for defect in part.defects]
# RFC 6532 allows what RFC 5322 does not.
allowed = email.errors.NonASCIILocalPartDefect
defects += [
    f"{name}: {defect}"
    for name, value in mail.items()
    for defect in value.defects
    if not isinstance(defect, allowed)
]
to = [address.addr_spec for address in mail["To"].addresses]
parts = [
    {"type": part.get_content_type(), "charset": part.get_content_charset(), "text": part.get_content()}
    for part in mail.walk()
    if not part.is_multipart()
]
print(
    json.dumps(
        {
            "type": mail.get_content_type(),
            "headers": [[name, people.get(name, str(value))] for name, value in mail.items()],
            "to": to,
            "defects": defects,
            "parts": parts,
            "longest": max(len(line) for line in raw.split(b"\r\n")),
            "bare": raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"),
        }
    )
)
