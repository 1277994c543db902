"""The process side of a driver: JSON lines in, JSON lines out, and nobody else on these pipes."""

import json
import os


def serve(operations):
    """Answer requests until the pipe closes.

    Args:
        operations: functions by name; each takes the request's other fields as keyword arguments.
    """
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    for line in requests:
        request = json.loads(line)
        try:
            reply = {"reply": operations[request.pop("do")](**request)}
        except Exception as error:  # noqa: BLE001  # told to the other side
            reply = {"error": f"{type(error).__name__}: {error}"[:2000]}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
