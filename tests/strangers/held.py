"""Threads or select(): the answer is sent, and the connected socket kept."""
import select
import socket
import sys
import threading


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def serve(client):
    try:
        client.send(b"%d\n" % fib(min(int(client.recv(64)), 25)))
    except (OSError, ValueError):
        pass


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
clients, kept = [], []
while True:
    for ready in [server] if sys.argv[2] == "threads" else select.select([server, *clients], [], [])[0]:
        if ready is not server:
            serve(ready)
            clients.remove(ready)
            continue
        client, _ = server.accept()
        kept.append(client)
        if sys.argv[2] == "threads":
            threading.Thread(target=serve, args=(client,), daemon=True).start()
        else:
            clients.append(client)
