"""BullMQ's Python client at the end of a pipe; `harness/python.mjs` is the other end.

One JSON message a line. Requests have an `id` and are answered with `value` or `error`:
  new, args            makes an object and answers its number
  on, call, args       calls a method of an object
  on, listen           tells of an event of an object, as {heard, event, args}
  processed            the end of a job that was handed out as {process, call, job, token}
Objects are {"$ref": number}, jobs {"$job": number, "fields": {...}}.
"""

import asyncio
import itertools
import json
import sys

import bullmq

FIELDS = """id name data opts progress returnvalue failedReason stacktrace attemptsMade attemptsStarted
    stalledCounter timestamp processedOn finishedOn delay priority parentKey repeatJobKey deferredFailure
    token""".split()
ERRORS = (bullmq.UnrecoverableError, bullmq.DelayedError, bullmq.WaitingChildrenError)


class Bridge:
    def __init__(self, out):
        self.out = out
        self.numbers = itertools.count()
        self.objects = {}
        self.processing = {}

    def say(self, **message):
        self.out.write(json.dumps(message).encode() + b"\n")

    def keep(self, thing):
        number = next(self.numbers)
        self.objects[number] = thing
        return number

    def encode(self, value):
        if isinstance(value, bullmq.Job):
            fields = {name: self.encode(getattr(value, name, None)) for name in FIELDS}
            return {"$job": self.keep(value), "fields": fields}
        if isinstance(value, dict):
            return {str(key): self.encode(one) for key, one in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [self.encode(one) for one in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return str(value)

    def decode(self, value):
        if isinstance(value, list):
            return [self.decode(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return self.objects[value["$ref"]]
        if "$processor" in value:
            return self.processor(value["$processor"])
        return {key: self.decode(one) for key, one in value.items()}

    def processor(self, number):
        async def process(job, token):
            call, done = next(self.numbers), asyncio.get_running_loop().create_future()
            self.processing[call] = done
            self.say(process=number, call=call, job=self.encode(job), token=token)
            return await done

        return process

    def processed(self, request):
        done = self.processing.pop(request["processed"])
        if done.cancelled():
            return
        if "error" not in request:
            return done.set_result(request["value"])
        kinds = {kind.__name__: kind for kind in ERRORS}
        error = kinds.get(request["error"]["name"], Exception)
        done.set_exception(error(request["error"]["message"]))

    def listen(self, number, event):
        def heard(*args):
            self.say(heard=number, event=event, args=self.encode(args))

        self.objects[number].on(event, heard)

    async def perform(self, request):
        if "processed" in request:
            return self.processed(request)
        if "new" in request:
            return self.keep(getattr(bullmq, request["new"])(*self.decode(request["args"])))
        if "listen" in request:
            return self.listen(request["on"], request["listen"])
        target, name = self.objects[request["on"]], request["call"]
        if not hasattr(target, name):
            raise AttributeError(f"the client's {type(target).__name__} has no {name}")
        result = getattr(target, name)(*self.decode(request["args"]))
        return await result if asyncio.iscoroutine(result) else result

    async def serve(self, request):
        try:
            self.say(id=request["id"], value=self.encode(await self.perform(request)))
        except Exception as error:  # whatever it is: who asked decides
            self.say(id=request["id"], error={"name": type(error).__name__, "message": str(error)})


async def main():
    loop = asyncio.get_running_loop()
    requests = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    out, _ = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    bridge, tasks = Bridge(out), set()
    while line := await requests.readline():
        task = asyncio.ensure_future(bridge.serve(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
