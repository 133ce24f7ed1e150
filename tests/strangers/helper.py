"""Iterative, beside a child or a thread that has nothing to do with its clients; or that, with a time limit for these."""
import os
import socket
import sys
import threading
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if sys.argv[2] == "child":
    if os.fork() == 0:
        server.close()
        time.sleep(3600)
        os._exit(0)
else:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
while True:
    client, _ = server.accept()
    with client:
        if sys.argv[2] == "limit":
            client.settimeout(600)
        try:
            client.sendall(b"%d\n" % fib(min(int(client.recv(64)), 25)))
        except (OSError, ValueError):
            pass
