"""FastMCP's client without its tasks, as most have it installed; the variant is its era."""

from contextlib import asynccontextmanager

import driver
from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def on_elicitation(message, _response_type, _params, _context):
    return await driver.answer(message)


def server():
    if not driver.OVER_STDIO:
        return driver.TARGET["url"]
    return StdioTransport(driver.TARGET["command"], driver.TARGET["args"], keep_alive=False)


@asynccontextmanager
async def connect():
    mode = "2026-07-28" if driver.VARIANT == "modern" else "legacy"
    async with Client(server(), mode=mode, elicitation_handler=on_elicitation) as client:

        async def call(tool, arguments):
            return driver.words_of(await client.call_tool(tool, arguments))

        yield call


driver.main(driver.drive_plain(connect))
