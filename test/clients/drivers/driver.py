"""What the drivers written in Python have in common: driver.ts, in Python."""

import asyncio
import json
import os
import re
import sys
import urllib.request

TARGET = json.loads(os.environ["CLIENTS_TARGET"])
VARIANT = os.environ["CLIENTS_VARIANT"]
OVER_STDIO = "command" in TARGET
THINKING_SECONDS = 1
TAKES_FOR_EVER = "what takes for ever was not handed over"

asked = 0


class Failure(Exception):
    """What the client was told, where it was told of a failure."""


async def answer(message):
    """The person behind the client, who fills in the form."""
    global asked
    if message != "Which colour?":
        raise Failure(f"asked something else: {message}")
    asked += 1
    await asyncio.sleep(THINKING_SECONDS)
    return {"colour": "blue"}


def words_of(result):
    """Of a result of the protocol, in the SDK's words or in FastMCP's."""
    text = "\n".join(getattr(block, "text", "") for block in result.content)
    if getattr(result, "is_error", False) or getattr(result, "isError", False):
        raise Failure(text)
    return text


async def restart():
    request = urllib.request.Request(os.environ["CLIENTS_RESTART_URL"], method="POST")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request).read())


async def drive_plain(connect):
    """`connect()` is an asynchronous context manager that gives `call(tool, arguments)`, which gives text or raises."""

    async def followed(call, text):
        task_id = handed_over(text)
        if task_id is None:
            return "call", text
        while handed_over(text):
            text = await call("task_status", {"taskId": task_id, "waitSeconds": 5})
        return "tools", text

    async def question(call):
        text = await call("ask", {})
        task_id = handed_over(text)
        if task_id is None:
            return "call", text
        respond = {"taskId": task_id, "action": "accept", "content": {"colour": "blue"}}
        return "tools", (await followed(call, await call("task_respond", respond)))[1]

    async def cancel(call):
        task_id = handed_over(await call("forever", {}))
        if task_id is None:
            raise Failure(TAKES_FOR_EVER)
        await call("task_cancel", {"taskId": task_id})
        return "tools", await call("task_status", {"taskId": task_id})

    async def short(call):
        return "call", await call("greet", {"name": "Ada"})

    async def long(call):
        return await followed(call, await call("slow", {}))

    async def failure(call):
        reasons = [await failure_of(call("fail", {"how": how})) for how in ("tool", "protocol")]
        return "call", " ".join(reasons)

    async with connect() as call:
        await behave("short", short(call))
        await behave("long", long(call))
        await behave("question", question(call))
        await behave("cancel", cancel(call))
        await behave("failure", failure(call))
        if not OVER_STDIO:

            async def after_restart():
                text = await call("relay", {})
                await restart()
                return await followed(call, text)

            await behave("restart", after_restart())
            return
        begun = await call("relay", {})
    async with connect() as call:
        await behave("restart", followed(call, begun))


async def drive_tasks(connect):
    """`connect()` gives `call` as above, and `start(tool, arguments)`: a task to await, cancel, and resume elsewhere."""

    async def finished(client, tool):
        task = await client.start(tool, {})
        return "task", await task.result()

    async def short(client):
        return "call", await client.call("greet", {"name": "Ada"})

    async def cancel(client):
        task = await client.start("forever", {})
        await task.cancel()
        return "task", await failure_of(task.result())

    async def failure(client):
        reasons = []
        for how in ("tool", "protocol"):
            task = await client.start("fail", {"how": how})
            reasons.append(await failure_of(task.result()))
        return "task", " ".join(reasons)

    async def resumed(task):
        return "task", await task.result()

    async with connect() as client:
        await behave("short", short(client))
        await behave("long", finished(client, "slow"))
        await behave("question", finished(client, "ask"))
        await behave("cancel", cancel(client))
        await behave("failure", failure(client))
        if not OVER_STDIO:

            async def after_restart():
                task = await client.start("relay", {})
                await restart()
                return "task", await task.result()

            await behave("restart", after_restart())
            return
        begun = await client.start("relay", {})
    async with connect() as client:
        await behave("restart", resumed(begun.resumed_by(client)))


async def behave(behaviour, run):
    before = asked
    try:
        outcome, detail = await run
    except Exception as error:
        outcome, detail = "error", f"{type(error).__name__}: {error}"
    if asked - before > 1:
        outcome, detail = "error", f"asked {asked - before} times"
    report(behaviour, outcome, detail)


def report(behaviour, outcome, detail):
    # The runner looks for lines that begin so.
    line = {"behaviour": behaviour, "outcome": outcome, "detail": detail}
    print(json.dumps(line, separators=(",", ":")), flush=True)


async def failure_of(attempt):
    try:
        text = await attempt
    except Exception as error:
        return str(error)
    raise Failure(f"no failure, but {text}")


def handed_over(text):
    found = re.search("goes on as task ([0-9a-f]{44})", text)
    return found and found[1]


def main(drive):
    asyncio.run(drive)
    sys.exit(0)
