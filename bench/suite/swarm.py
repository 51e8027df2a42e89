"""Ten thousand raw connections in one process, which runs beside the harness on the load's core.

`burst` connects all, then sends one request on each at once and waits for all answers.
`hold` sends one request on each, a few at a time, and holds the connections until its input ends.
Each prints a line of JSON when there is something to know: `sent` or `held`, then `done`.
"""

import argparse
import collections
import json
import re
import select
import socket
import struct
import sys
import time

ADDRESS = "127.0.0.1"
CONNECT_SECONDS = 4.0
GIVE_UP_SECONDS = 25.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


def tell(event: str, **facts) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


def connect(port: int, count: int) -> list[socket.socket]:
    """As many as the server takes; they are reset at the end, so that no port has to wait."""
    sockets = []
    for _ in range(count):
        try:
            connection = socket.create_connection((ADDRESS, port), timeout=CONNECT_SECONDS)
        except TimeoutError:
            # Its backlog is full and it accepts no more.
            break
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.setblocking(False)
        sockets.append(connection)
    return sockets


def status_of(answer: bytes) -> str | None:
    """The status of an answer that is complete; nothing of one that is not yet."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return None
    if length := LENGTH.search(head):
        complete = len(body) >= int(length.group(1))
    elif CHUNKED.search(head):
        complete = body.endswith(b"0\r\n\r\n")
    else:
        complete = False
    return answer[9:12].decode() if complete else None


class Swarm:
    """The connections, what came on each, and when it was complete."""

    def __init__(self, port: int, path: str, count: int):
        self.request = f"GET {path} HTTP/1.1\r\nHost: {ADDRESS}:{port}\r\n\r\n".encode()
        self.sockets = connect(port, count)
        self.by_descriptor = {one.fileno(): at for at, one in enumerate(self.sockets)}
        self.poll = select.epoll()
        for descriptor in self.by_descriptor:
            self.poll.register(descriptor, select.EPOLLIN)
        self.sent_at = [0.0] * len(self.sockets)
        self.arrived = [b""] * len(self.sockets)
        self.waits: list[float] = []
        self.statuses = collections.Counter({"no connection": count - len(self.sockets)})
        self.open = 0
        self.last = 0.0

    def send(self, at: int) -> None:
        self.sent_at[at] = time.perf_counter()
        self.sockets[at].send(self.request)
        self.open += 1

    def receive(self, seconds: float) -> None:
        """Takes what has come."""
        for descriptor, _ in self.poll.poll(seconds):
            at = self.by_descriptor[descriptor]
            try:
                piece = self.sockets[at].recv(65_536)
            except OSError:
                piece = b""
            now = time.perf_counter()
            self.arrived[at] += piece
            status = status_of(self.arrived[at]) if piece else "closed"
            if status is None:
                continue
            self.poll.unregister(descriptor)
            self.arrived[at] = b""
            if status == "200":
                self.waits.append(now - self.sent_at[at])
            self.statuses[status] += 1
            self.open -= 1
            self.last = now

    def drain(self, left: int, deadline: float) -> None:
        """Receives until no more than `left` requests are unanswered."""
        while self.open > left and time.perf_counter() < deadline:
            self.receive(1.0)

    def finish(self, first: float) -> None:
        self.statuses["no answer"] += self.open
        waits = sorted(self.waits) or [0.0]
        tell(
            "done",
            statuses={status: count for status, count in self.statuses.items() if count},
            last_answer=self.last - first,
            shortest=waits[0],
            median=waits[len(waits) // 2],
            longest=waits[-1],
        )


def burst(port: int, path: str, count: int) -> None:
    swarm = Swarm(port, path, count)
    # The server takes the last connections meanwhile.
    time.sleep(0.5)
    first = time.perf_counter()
    for at in range(len(swarm.sockets)):
        swarm.send(at)
    busy = time.thread_time()
    tell("sent", sending=time.perf_counter() - first)
    swarm.drain(0, first + GIVE_UP_SECONDS)
    tell("received", client_cpu=time.thread_time() - busy)
    swarm.finish(first)


def hold(port: int, path: str, count: int) -> None:
    swarm = Swarm(port, path, count)
    first = time.perf_counter()
    for at in range(len(swarm.sockets)):
        swarm.send(at)
        swarm.drain(63, first + GIVE_UP_SECONDS)
    swarm.drain(0, first + GIVE_UP_SECONDS)
    tell("held")
    sys.stdin.read()
    # A connection that was closed meanwhile is readable, and was not idle.
    for connection in swarm.sockets:
        try:
            if connection.recv(1) == b"":
                swarm.statuses["closed while idle"] += 1
        except BlockingIOError:
            pass
        except OSError:
            swarm.statuses["closed while idle"] += 1
    swarm.finish(first)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["burst", "hold"])
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    run = {"burst": burst, "hold": hold}[arguments.mode]
    run(arguments.port, arguments.path, arguments.count)
