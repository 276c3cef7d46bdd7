"""`mcp`, the official SDK of Python, which knows no tasks; the variant is its era."""

from contextlib import asynccontextmanager

import driver
import mcp_types
from mcp import Client, StdioServerParameters


async def on_elicitation(_context, params):
    return mcp_types.ElicitResult(action="accept", content=await driver.answer(params.message))


@asynccontextmanager
async def connect():
    server = (
        StdioServerParameters(command=driver.TARGET["command"], args=driver.TARGET["args"])
        if driver.OVER_STDIO
        else driver.TARGET["url"]
    )
    mode = "2026-07-28" if driver.VARIANT == "modern" else "legacy"
    async with Client(server, mode=mode, elicitation_callback=on_elicitation) as client:

        async def call(tool, arguments):
            return driver.words_of(await client.call_tool(tool, arguments))

        yield call


driver.main(driver.drive_plain(connect))
