"""A pool of fifty threads, each of which accepts one client after the other."""
import socket
import sys
import threading


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def work():
    while True:
        connected, _ = listening.accept()
        with connected:
            try:
                line = connected.makefile("rb").readline(32)
                connected.sendall(b"%d\n" % fib(min(int(line), 30)))
            except (OSError, ValueError):
                pass


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
for _ in range(50):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
