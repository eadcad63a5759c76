#!/usr/bin/env python3
"""A server of the official Python SDK, of either generation: of the one that lies in the folder
`packages` beside it. The second one speaks both eras."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "packages"))

try:
    from mcp.server import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer

server = MCPServer("python", instructions="Say it twice.")


@server.tool()
def echo(message: str, number: int = 0) -> str:
    """Says what it was told"""
    return json.dumps({"message": message, "number": number})


@server.tool()
def withheld(message: str) -> str:
    """Nobody allows this one"""
    return json.dumps({"message": message})


@server.prompt()
def greeting(name: str) -> str:
    """How to greet"""
    return f"Greet {name}."


@server.resource("note://one", mime_type="text/plain")
def note() -> str:
    return "a note"


server.run()
