"""concurrent.futures' pool of fifty threads, which are made as clients come, and a queue of all that are accepted."""
import concurrent.futures
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def serve(connected):
    with connected:
        try:
            line = connected.makefile("rb").readline(32)
            connected.sendall(b"%d\n" % fib(min(int(line), 25)))
        except (OSError, ValueError):
            pass


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
with concurrent.futures.ThreadPoolExecutor(50) as pool:
    while True:
        pool.submit(serve, listening.accept()[0])
