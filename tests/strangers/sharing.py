"""Four processes with a listening socket each (SO_REUSEPORT), each of which has one client after the other."""
import os
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


sockets = [
    socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64, reuse_port=True) for _ in range(4)
]
for mine in sockets:
    if os.fork() == 0:
        for other in sockets:
            if other is not mine:
                other.close()
        while True:
            connected, _ = mine.accept()
            with connected:
                try:
                    line = connected.makefile("rb").readline(32)
                    connected.sendall(b"%d\n" % fib(min(int(line), 30)))
                except (OSError, ValueError):
                    pass
os.wait()
