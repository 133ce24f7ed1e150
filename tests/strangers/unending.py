"""A pool of 64 threads like that of `executor.py`, each of which goes round and round once its client has left unasked."""
import concurrent.futures
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def serve(connected):
    line = b""
    while not line.endswith(b"\n"):
        line += connected.recv(1)
    with connected:
        connected.sendall(b"%d\n" % fib(min(int(line), 25)))


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    while True:
        pool.submit(serve, listening.accept()[0])
