"""select() or ppoll(): each connection has ten seconds in all, however many bytes come meanwhile."""
import ctypes
import select
import socket
import sys
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Pollfd(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def by_select(fds, seconds):
    return select.select(fds, [], [], seconds)[0]


def by_ppoll(fds, seconds):
    all = (Pollfd * len(fds))(*[Pollfd(fd, select.POLLIN, 0) for fd in fds])
    left = None if seconds is None else Timespec(int(seconds), int(seconds % 1 * 1e9))
    libc.ppoll(all, len(fds), left if left is None else ctypes.byref(left), None)
    return [entry.fd for entry in all if entry.revents]


libc = ctypes.CDLL(None)
ready = {"select": by_select, "ppoll": by_ppoll}[sys.argv[2]]
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
clients = {}
while True:
    left = [end - time.monotonic() for _, _, end in clients.values()]
    fds = ready([server.fileno(), *clients], max(min(left), 0) if left else None)
    for fd in fds:
        if fd == server.fileno():
            client, _ = server.accept()
            clients[client.fileno()] = (client, bytearray(), time.monotonic() + 10)
            continue
        client, line, _ = clients[fd]
        try:
            more = client.recv(64)
            line += more
            if more and b"\n" not in line:
                continue
            client.send(b"%d\n" % fib(min(int(line), 25)))
        except (OSError, ValueError):
            pass
        del clients[fd]
        client.close()
    for fd in [fd for fd, (_, _, end) in clients.items() if end <= time.monotonic()]:
        clients.pop(fd)[0].close()
