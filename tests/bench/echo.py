"""The yardstick: a bare Starlette application that gives back the JSON it got."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def echo(request: Request) -> Response:
    """Decode and encode, nothing else."""
    return JSONResponse(await request.json())


app = Starlette(routes=[Route("/api/sms", echo, methods=["POST"])])
