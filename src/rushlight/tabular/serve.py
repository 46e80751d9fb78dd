"""The command `rushlight serve`: a model behind HTTP, on Starlette and uvicorn."""

from __future__ import annotations

import signal
import socket
import sys

from rushlight.tabular.commands import Parser
from rushlight.tabular.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

CONNECTIONS = 500
IDLE_SECONDS = 30  # between two requests of a connection
HEADER_BYTES = 64 << 10


def main(arguments: list[str]) -> int:
    """`rushlight serve`; returns after SIGINT or SIGTERM, when the requests at work have been answered."""
    parser = Parser("rushlight serve", description="Answer predictions of a model over HTTP, until stopped.")
    parser.add_argument("folder", metavar="FOLDER", help="what `rushlight fit` wrote")
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, metavar="PORT", help="default: 8000; 0 takes any free one")
    parser.add_argument("--max-rows", type=int, default=10_000, metavar="N", help="rows in a request (default: 10000)")
    parser.add_argument("--max-bytes", type=int, default=16 << 20, metavar="N", help="of a body (default: 16 MiB)")
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="for a body, and for an answer (default: 10)"
    )
    parser.add_argument("--engine", default="rushlight", metavar="NAME", help="rushlight or torch (default: rushlight)")
    chosen = parser.parse_args(arguments)
    if not 0 <= chosen.port <= 65535:
        raise DataError(f"--port {chosen.port}: must be from 0 to 65535")
    for flag in ("max_rows", "max_bytes", "timeout"):
        if not 0 < getattr(chosen, flag) < float("inf"):
            raise DataError(f"--{flag.replace('_', '-')} {getattr(chosen, flag)}: must be above 0")

    from rushlight.tabular.run import Run

    run = Run.load(chosen.folder, chosen.engine)
    try:
        from rushlight.tabular.service import Limits, Service
    except ImportError as error:
        raise no_server(error) from None
    service = Service(run, Limits(chosen.max_rows, chosen.max_bytes, chosen.timeout))
    server = server_for(service.application(), chosen.timeout)
    with listen(chosen.host, chosen.port) as listening:
        address = listening.getsockname()
        if not is_loopback(address[0]):
            print(
                f"rushlight serve: warning: {chosen.host} can be reached from other machines, and this service knows "
                "neither passwords nor encryption: put a proxy that does in front of it",
                file=sys.stderr,
            )
        host = f"[{address[0]}]" if listening.family == socket.AF_INET6 else address[0]
        print(f"serving {chosen.folder} on http://{host}:{address[1]} (description: /docs)", flush=True)
        # uvicorn raises the signal that ended it once more, for whoever listened before it
        previous = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            server.run([listening])
        except Leave:
            pass
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
    return 0


class Leave(BaseException):
    """A signal that came before the server listened to signals, or again when it had ended."""


def leave(number: int, frame: FrameType | None) -> None:
    raise Leave


def no_server(error: ImportError) -> DataError:
    return DataError(f"serving needs Starlette and uvicorn ({error}): pip install 'rushlight[serve]'")


def server_for(application: Any, seconds: float) -> Any:
    """A uvicorn server that is patient with clients for so many seconds, and as many when it is asked to end."""
    try:
        import uvicorn
        from uvicorn.protocols.http.auto import AutoHTTPProtocol
    except ImportError as error:
        raise no_server(error) from None
    return uvicorn.Server(
        uvicorn.Config(
            application,
            http=impatient(AutoHTTPProtocol, seconds),
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=max(1, int(seconds + 0.5)),
        )
    )


def impatient(protocol: type, seconds: float) -> type:
    """uvicorn's HTTP protocol, and a limit on the time and the bytes that the head of a request takes.

    `cycle` is the last request whose head is complete: without one that is still at work, a head is expected.
    """

    class Impatient(protocol):  # type: ignore[misc,valid-type]
        overdue: Any = None
        bytes_of_head = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.overdue = self.loop.call_later(seconds, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self.bytes_of_head = 0
                if self.overdue is not None:
                    self.overdue.cancel()
                    self.overdue = None
                return
            self.bytes_of_head += len(data)
            if self.bytes_of_head > HEADER_BYTES:
                self.transport.abort()
            elif self.overdue is None:
                self.overdue = self.loop.call_later(seconds, self.transport.abort)

        def connection_lost(self, exception: Exception | None) -> None:
            if self.overdue is not None:
                self.overdue.cancel()
            super().connection_lost(exception)

    return Impatient


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]  # create_server repeats where
        raise DataError(f"cannot listen on {host} port {port} ({reason}): choose another --host or --port") from None


def is_loopback(address: str) -> bool:
    from ipaddress import ip_address

    return ip_address(address.partition("%")[0]).is_loopback
