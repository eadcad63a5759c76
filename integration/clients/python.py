"""The official Python client, both generations: `mcp` 1 and `mcp` 2.

python.py PLAN COMMAND ARGUMENT…
PLAN is {"mode": "auto" | "legacy" | "v1", "calls": [[TOOL, ARGUMENTS], …], "prompts": [[NAME,
ARGUMENTS], …], "resources": [URI, …]}. The server gets this process's environment. Prints one
line of JSON that tells what came of it.
"""
import asyncio
import contextlib
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


def failure(error):
    # The first generation's errors have no code of their own, and task groups wrap both.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    inner = getattr(error, "error", None)
    return {"code": getattr(inner, "code", None), "message": getattr(inner, "message", str(error))}


@contextlib.asynccontextmanager
async def first_generation(server):
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        answer = await session.initialize()
        yield session, answer.protocolVersion


@contextlib.asynccontextmanager
async def second_generation(server, mode):
    import mcp.client.session
    from mcp import Client

    # A server that takes longer to start, as on a busy machine, is not one of the older revision.
    assert hasattr(mcp.client.session, "DISCOVER_TIMEOUT_SECONDS")
    mcp.client.session.DISCOVER_TIMEOUT_SECONDS = 60
    async with Client(server, mode=mode) as client:
        yield client, client.session.protocol_version


async def drive(plan, command, arguments):
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    if plan["mode"] == "v1":
        opened = first_generation(server)
    else:
        opened = second_generation(server, plan["mode"])
    report = {"connectError": None, "protocol": None, "tools": None}
    report.update({"calls": [], "prompts": [], "resources": []})
    try:
        async with opened as (session, protocol):
            report["protocol"] = protocol
            report["tools"] = sorted(tool.name for tool in (await session.list_tools()).tools)
            for name, arguments in plan["calls"]:
                called = session.call_tool(name, arguments)
                report["calls"].append(await outcome(called, lambda result: result.content[0].text))
            for name, arguments in plan.get("prompts", []):
                listed = sorted(prompt.name for prompt in (await session.list_prompts()).prompts)
                got = session.get_prompt(name, arguments)
                got = await outcome(got, lambda result: result.messages[0].content.text)
                report["prompts"].append({"listed": listed, "got": got})
            for uri in plan.get("resources", []):
                listed = (await session.list_resources()).resources
                listed = sorted(str(resource.uri) for resource in listed)
                got = session.read_resource(uri)
                got = await outcome(got, lambda result: result.contents[0].text)
                report["resources"].append({"listed": listed, "got": got})
    except BaseException as error:
        if report["protocol"] is not None:
            raise
        report["connectError"] = failure(error)
    print(json.dumps(report))


async def outcome(request, text):
    try:
        result = await request
    except Exception as error:
        return {"error": failure(error)}
    is_error = getattr(result, "is_error", getattr(result, "isError", False))
    return {"text": text(result), "isError": bool(is_error)}


if __name__ == "__main__":
    asyncio.run(drive(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:]))
