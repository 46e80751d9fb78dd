#!/usr/bin/env python3
"""How many predictions `rushlight serve` answers on loopback: a table of docs/tabular.md.

    benchmarks/serve.py             # prints it; needs the extra `serve`
    benchmarks/serve.py --write     # puts it into docs/tabular.md, between its markers

A service process with the default model (64, 32) on eight columns, and this process as its client: so many connections
that stay open, each of which sends its next request when it has the answer to the last.  Both share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import cores
from tabular import diabetes_like

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tabular.md"
# name, path, rows in a request, connections
CASES = (
    ("`GET /health`: HTTP alone", "/health", 0, 16),
    ("a row, 1 connection", "/predict", 1, 1),
    ("a row, 16 connections", "/predict", 1, 16),
    ("100 rows, 16 connections", "/predict", 100, 16),
    ("10,000 rows, 2 connections", "/predict", 10_000, 2),
)


class Client(asyncio.Protocol):
    """A connection that asks again whenever it is answered, until `deadline`; `seconds` has the time of each."""

    def __init__(self, request: bytes, deadline: float) -> None:
        self.request, self.deadline = request, deadline
        self.seconds: list[float] = []
        self.answer = bytearray()
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.answer.clear()
        self.length = 0
        self.start = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        if not self.length:
            head = self.answer.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self.answer.startswith(b"HTTP/1.1 200"):
                self.done.set_exception(RuntimeError(self.answer.decode()))
                return
            size = re.search(rb"content-length: (\d+)", self.answer[:head])
            self.length = head + 4 + int(size[1])  # type: ignore[index]
        if len(self.answer) < self.length:
            return
        now = time.perf_counter()
        self.seconds.append(now - self.start)
        if now < self.deadline:
            self._ask()
        else:
            self.transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the service closed the connection"))


def request_for(path: str, rows: int) -> bytes:
    if not rows:
        return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    row = {f"x{i}": round(0.1 * i - 0.37, 6) for i in range(8)}
    body = json.dumps(row if rows == 1 else [row] * rows).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def load(port: int, request: bytes, connections: int, duration: float) -> tuple[float, list[float]]:
    """(requests a second, seconds of each)."""
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(request, start + duration), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*[client.done for client in clients])
    took = time.perf_counter() - start
    seconds = [second for client in clients for second in client.seconds]
    return len(seconds) / took, seconds


def table(port: int, duration: float) -> str:
    lines = ["| request | requests/s | rows/s | median, ms | 99th percentile, ms |", "|---|---:|---:|---:|---:|"]
    for name, path, rows, connections in CASES:
        request = request_for(path, rows)
        asyncio.run(load(port, request, connections, duration / 4))  # warms up
        rate, seconds = asyncio.run(load(port, request, connections, duration))
        p50, p99 = (1000 * statistics.quantiles(seconds, n=100)[i] for i in (49, 98))
        lines.append(f"| {name} | {rate:,.0f} | {rate * rows or '':{',.0f' if rows else ''}} | {p50:.2f} | {p99:.2f} |")
    return "\n".join(lines)


def measure(duration: float) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "rushlight"]
    with tempfile.TemporaryDirectory() as folder:
        diabetes_like(Path(folder, "data.csv"))
        fit = ["fit", f"{folder}/data.csv", "--target", "-1", "--no-header", "--no-pictures", "-q", "-o", f"{folder}/m"]
        subprocess.run([*command, *fit], check=True, env=environment)
        serve = [*command, "serve", f"{folder}/m", "--port", "0"]
        service = subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert service.stdout
            port = int(re.search(r":(\d+) ", service.stdout.readline())[1])  # type: ignore[index]
            return table(port, duration)
        finally:
            service.terminate()
            service.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case")
    chosen = parser.parse_args()
    text = f"{measure(chosen.seconds)}\n\nService and client on {cores()} cores, Python {sys.version.split()[0]}."
    print(text)
    if chosen.write:
        pattern = r"(<!-- load: written by benchmarks/serve.py -->\n).*?(<!-- end of load -->)"
        page, found = re.subn(pattern, lambda match: f"{match[1]}\n{text}\n\n{match[2]}", PAGE.read_text(), flags=re.S)
        if not found:
            raise SystemExit(f"{PAGE} has no markers for it")
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
