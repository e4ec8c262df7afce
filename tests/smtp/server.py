"""A mail server that does what a file says: for tests of what goes wrong.

usage: server.py FOLDER [--cert FILE --key FILE] [--tls] [--login USER:PASSWORD]

Prints its port, and ends when standard input does. With a certificate it offers STARTTLS, or with --tls speaks TLS
from the beginning. Every mail that it has taken is in FOLDER/mails, `{number}.eml`, with the recipient in the first
line; those whose answer was never sent as well. FOLDER/faults.json says what goes wrong, read anew each time:

  greeting, sender, recipient, data   a reply instead of a good one: "451 4.7.1 later"
  later     share of mails that are put off at RCPT TO, 0 to 1
  cut       share of mails that are taken, but whose connection is cut before that is said
  sleep     seconds before the answer to the content
  hold      true: RCPT TO is not answered as long as it says so, and FOLDER/held is there once it was asked
  ascii     true: addresses with other letters are not taken (no SMTPUTF8)

What a recipient's name begins with goes wrong for that one: "r-550-5.1.1@…" at RCPT TO, "d-554-5.7.1@…" at the end of
the content, "cut@…", "hangup@…" at RCPT TO, "sleep@…" for ever.
"""

import argparse
import asyncio
import json
import pathlib
import random
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult


class Server(SMTP):
    def __init__(self, *args, faults, **kwargs):
        super().__init__(*args, **kwargs)
        self.faults = faults

    async def _handle_client(self):
        greeting = self.faults().get("greeting")
        if greeting:
            await self.push(greeting)
            self.transport.close()
            return
        await super()._handle_client()

    async def smtp_DATA(self, arg):
        # `sleep` is meant, not a client that is too slow.
        self._timeout_duration = 3600
        await super().smtp_DATA(arg)


class Handler:
    def __init__(self, folder, faults):
        self.mails = folder / "mails"
        self.mails.mkdir(exist_ok=True)
        self.held = folder / "held"
        self.faults = faults
        self.taken = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        said = self.faults().get("sender")
        if said:
            return said
        envelope.mail_from = address
        return "250 2.1.0 ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        while self.faults().get("hold"):
            self.held.touch()
            await asyncio.sleep(0.02)
        name = address.split("@")[0]
        if name.startswith("hangup"):
            server.transport.abort()
            return "421 4.3.0 gone"
        if name.startswith("r-"):
            return f"{reply(name)} <{address}> no"
        said = self.faults().get("recipient")
        if said:
            return said
        if random.random() < self.faults().get("later", 0):
            return f"451 4.7.1 <{address}> greylisted"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        address = envelope.rcpt_tos[0]
        name = address.split("@")[0]
        if name.startswith("d-"):
            return f"{reply(name)} <{address}> no"
        said = self.faults().get("data")
        if said:
            return said
        await asyncio.sleep(self.faults().get("sleep", 0))
        if name.startswith("sleep"):
            await asyncio.sleep(3600)
        self.taken += 1
        file = self.mails / f"{self.taken}.eml"
        part = file.with_suffix(".part")
        part.write_bytes(f"X-Taken-For: {address}\r\n".encode() + envelope.original_content)
        part.rename(file)
        if name.startswith("cut") or random.random() < self.faults().get("cut", 0):
            server.transport.abort()
        return f"250 2.0.0 taken as {self.taken}"


def reply(name):
    _, code, enhanced = name.split("-")[:3]
    return f"{code} {enhanced}"


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--login")
    arguments = parser.parse_args()

    def faults():
        try:
            return json.loads((arguments.folder / "faults.json").read_text())
        except FileNotFoundError:
            return {}

    context = None
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)

    def authenticator(server, session, envelope, mechanism, data):
        given = f"{data.login.decode()}:{data.password.decode()}"
        return AuthResult(success=given == arguments.login, handled=False)

    options = {"hostname": "test", "data_size_limit": None}
    if context and not arguments.tls:
        options["tls_context"] = context
        options["require_starttls"] = True
    if arguments.login:
        options |= {"authenticator": authenticator, "auth_required": True, "auth_require_tls": bool(context) and not arguments.tls}
    handler = Handler(arguments.folder, faults)

    def session():
        return Server(handler, faults=faults, enable_SMTPUTF8=not faults().get("ascii"), **options)

    loop = asyncio.get_running_loop()
    tls = context if arguments.tls else None
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def wait():
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait, daemon=True).start()
    await ended.wait()


asyncio.run(main())
