"""Starts MiniStack, the AWS emulator, the way the local stack needs it.

Four things differ from starting `ministack` itself:

* It answers invocations about twenty times faster. A delayed acknowledgement in its Lambda runtime
  server is switched off, and instead of waiting for what a run may still log, it takes what is in
  the pipe: a function writes before it answers. Both are private parts, which is why its version is
  pinned.
* It listens on a second port, the front door, whose every path belongs to our HTTP API. So the
  hub has a plain address, as it has on AWS.
* With IAM enforced, it judges SQS batch calls as AWS does: by the action of the single call.
* It listens on loopback only.

Settings: GATEWAY_PORT and MiniStack's own; FRONT_DOOR_PORT and FRONT_DOOR_API for the front door.
"""

import array
import asyncio
import fcntl
import os
import queue
import resource
import socketserver
import termios
import time

socketserver.StreamRequestHandler.disable_nagle_algorithm = True

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.core import iam_actions

action_of = iam_actions.extract_iam_action


def action_as_on_aws(service, *args, **kwargs):
    action = action_of(service, *args, **kwargs)
    return action.removesuffix("Batch") if service == "sqs" and action else action


# Before anything takes the function by its name.
iam_actions.extract_iam_action = action_as_on_aws

from ministack import app as ministack
from ministack.core import lambda_runtime


def what_was_logged(worker, first_line_wait=0.0):
    """What a run has written: until its pipe and the queue behind that were found empty three times."""
    lines, empty, deadline = [], 0, time.monotonic() + 1
    while empty < 3 and time.monotonic() < deadline:
        waiting = array.array("i", [0])
        try:
            fcntl.ioctl(worker._proc.stdout, termios.FIONREAD, waiting)
        except (AttributeError, OSError, ValueError):
            empty = 3  # The process is gone, and its pipe read to the end.
        before = len(lines)
        try:
            while True:
                lines.append(worker._stderr_queue.get_nowait())
        except queue.Empty:
            pass
        empty = 0 if waiting[0] or len(lines) > before else empty + 1
        time.sleep(0.001)
    return "\n".join(lines)


lambda_runtime.Worker._drain_stderr_bounded = what_was_logged

FRONT_DOOR_PORT = int(os.environ["FRONT_DOOR_PORT"])
FRONT_DOOR_API = os.environ["FRONT_DOOR_API"]


async def with_front_door(scope, receive, send):
    """Sends whatever came through the front door to the HTTP API."""
    if scope["type"] in ("http", "websocket") and scope["server"][1] == FRONT_DOOR_PORT:
        prefix = f"/_aws/execute-api/{FRONT_DOOR_API}"
        scope = {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + scope["raw_path"]}
    await ministack.app(scope, receive, send)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    config = Config()
    config.bind = [f"127.0.0.1:{os.environ['GATEWAY_PORT']}", f"127.0.0.1:{FRONT_DOOR_PORT}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ.get("LOG_LEVEL", "INFO")
    asyncio.run(serve(with_front_door, config))


if __name__ == "__main__":
    main()
