"""What every request of the fuzzer has to itself."""

import uuid

import schemathesis


@schemathesis.hook
def before_call(ctx, case, kwargs):
    # A key stands for one body, and each generated body is another one.
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
