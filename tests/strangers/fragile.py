"""Iterative: a request that does not come in one piece is its end."""
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    line = client.recv(64)
    if line and not line.endswith(b"\n"):
        sys.exit("no line ends here")
    try:
        client.send(b"%d\n" % fib(min(int(line), 25)))
    except (OSError, ValueError):
        pass
    client.close()
