"""FastMCP's client with `fastmcp-tasks`, which follows tasks of 2026-07-28."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import driver
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp_tasks.client import ToolTask, call_tool_task


async def on_elicitation(message, _response_type, _params, _context):
    return await driver.answer(message)


def server():
    if not driver.OVER_STDIO:
        return driver.TARGET["url"]
    return StdioTransport(driver.TARGET["command"], driver.TARGET["args"], keep_alive=False)


@asynccontextmanager
async def connect():
    async with Client(server(), elicitation_handler=on_elicitation) as client:

        async def call(tool, arguments):
            return driver.words_of(await client.call_tool(tool, arguments))

        def handle(task, tool):
            async def result():
                return driver.words_of(await task.result())

            def resumed_by(other):
                return other.resume(task.create_result, tool)

            return SimpleNamespace(result=result, cancel=task.cancel, resumed_by=resumed_by)

        async def start(tool, arguments):
            return handle(await call_tool_task(client, tool, arguments), tool)

        def resume(created, tool):
            return handle(ToolTask(client, tool, created), tool)

        yield SimpleNamespace(call=call, start=start, resume=resume)


driver.main(driver.drive_tasks(connect))
