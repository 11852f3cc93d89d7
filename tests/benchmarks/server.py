"""A generation A server that does as little as it can, so that a benchmark measures the client.

``python -m tests.benchmarks.server --tasks 3000 --turns 5`` prints its URL and serves
``tsk_0 … tsk_2999`` until its standard input ends.

It is not the sandbox's server, whose threads would be measured too: against that one, with the same
bodies on the same two cores, `fetch` gets 10 % fewer tasks a second, a urllib3 loop 24 % and the SDK on
aiohttp 43 %, so that the ratios which the benchmark prints would flatter `fetch`.
"""

import argparse
import asyncio
import json
import sys

API_KEY = "hdg_live_benchmark"


def task_ids(count: int) -> list[str]:
    """Return the ids the server knows."""
    return [f"tsk_{number}" for number in range(count)]


def body(task_id: str, turns: int) -> bytes:
    """Return a body of about 800 bytes a turn, like the documented example."""
    number = int(task_id.rpartition("_")[2])
    times = {"completedAt": "2026-05-11T09:14:48.000Z", "startedAt": "2026-05-11T09:14:22.000Z"}
    return json.dumps(
        {
            "task": {
                "id": task_id,
                "completedAt": times["completedAt"],
                "createdAt": times["startedAt"],
                "createdByUserId": "usr_7yh-91XzM2nQ4",
                "organizationId": "org_8s1Df9aLp-1z",
                "status": "completed",
                "title": f"Weather report {number}",
                "totals": {"credits": 42 * turns, "durationMs": 25812 * turns, "turnCount": turns},
                "triggeredBy": "api",
                "url": f"https://v3.handinger.com/worker/wrk_{number % 7}/task/{task_id}",
                "workerId": f"wrk_{number % 7}",
            },
            "turns": [
                {
                    "id": f"trn_{number}_{seq}",
                    "credits": 42,
                    "durationMs": 25812,
                    "input": "What's the weather today in Barcelona? " * 4,
                    "inputTokens": 1842,
                    "outputText": "It's currently 21°C and sunny in Barcelona with a light breeze. " * 4,
                    "outputTokens": 312,
                    "role": "user",
                    "seq": seq,
                    "status": "completed",
                    "structuredOutput": {"temperatureCelsius": 21.5, "conditions": "sunny"},
                    "taskId": task_id,
                    **times,
                }
                for seq in range(turns)
            ],
        },
        ensure_ascii=False,
    ).encode()


class _Connection(asyncio.Protocol):
    def __init__(self, answers: dict[bytes, bytes], latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport: asyncio.WriteTransport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, self._received = self._received.split(b"\r\n\r\n", 1)
            answer = self._answers[request.split(b" ", 2)[1]]
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
            else:
                self._transport.write(answer)


async def _serve(count: int, turns: int, latency: float) -> None:
    answers = {}
    for task_id in task_ids(count):
        content = body(task_id, turns)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        answers[f"/api/tasks/{task_id}".encode()] = head.encode() + content
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(answers, latency), "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=3000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.0)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.tasks, arguments.turns, arguments.latency))
