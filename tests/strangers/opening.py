"""A thread for each client, which looks into a file: its client's descriptor is now one, now another."""
import os
import socket
import sys
import threading


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def serve(connected):
    with connected:
        try:
            os.close(os.open("/dev/null", os.O_RDONLY))
            line = connected.recv(64)
            connected.sendall(b"%d\n" % fib(min(int(line), 25)))
        except (OSError, ValueError):
            pass


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    try:
        connected, _ = listening.accept()
        threading.Thread(target=serve, args=(connected,), daemon=True).start()
    except (OSError, RuntimeError):
        pass
