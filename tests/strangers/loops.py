"""A loop of events for the clients, and a second one without any, as Node has for its timers; and a heap that grows
until it is filled."""
import os
import select
import socket
import sys
import threading


def idle():
    ours, _theirs = os.pipe()
    waiting = select.epoll()
    waiting.register(ours, select.EPOLLIN)
    waiting.poll()


# A MiB more for each of the first clients, as a heap that is being filled takes.
HEAP = []
FULL = 120

threading.Thread(target=idle, daemon=True).start()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.setblocking(False)
ready = select.epoll()
ready.register(listener, select.EPOLLIN)
clients = {}
while True:
    for fd, _ in ready.poll():
        if fd == listener.fileno():
            client, _ = listener.accept()
            client.setblocking(False)
            clients[client.fileno()] = client
            ready.register(client, select.EPOLLIN)
            if len(HEAP) < FULL:
                HEAP.append(bytearray(1 << 20))
            continue
        client = clients.pop(fd)
        try:
            if client.recv(32):
                client.sendall(b"55\n")
        except ConnectionError:
            pass
        ready.unregister(fd)
        client.close()
