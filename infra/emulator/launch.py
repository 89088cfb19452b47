"""Starts MiniStack, the AWS emulator, the way the local stack needs it.

Four things differ from starting `ministack` itself:

* It answers invocations about twenty times faster. Two waits are shortened: a delayed
  acknowledgement in its Lambda runtime server, and a wait for the log output of functions that
  log nothing. Both are private parts, which is why its version is pinned.
* It listens on a second port, the front door, whose every path belongs to our HTTP API. So the
  hub has a plain address, as it has on AWS.
* With IAM enforced, it judges SQS batch calls as AWS does: by the action of the single call.
* It listens on loopback only.

Settings: GATEWAY_PORT and MiniStack's own; FRONT_DOOR_PORT and FRONT_DOOR_API for the front door.
"""

import asyncio
import os
import resource
import socketserver

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

lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (0.003, 0.005, 0.25)

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
