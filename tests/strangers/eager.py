"""epoll or select(): when one socket is ready, all non-blocking ones are asked."""
import select
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
server.setblocking(False)
clients = {}
epoll = select.epoll() if sys.argv[2] == "epoll" else None
if epoll:
    epoll.register(server, select.EPOLLIN)
while True:
    if epoll:
        epoll.poll()
    else:
        select.select([server, *clients], [], [])
    try:
        client, _ = server.accept()
        client.setblocking(False)
        clients[client] = bytearray()
        if epoll:
            epoll.register(client, select.EPOLLIN)
    except OSError:
        pass
    for client, line in list(clients.items()):
        try:
            more = client.recv(64)
            line += more
            if more and b"\n" not in line:
                continue
            client.send(b"%d\n" % fib(min(int(line), 25)))
        except BlockingIOError:
            continue
        except (OSError, ValueError):
            pass
        del clients[client]
        client.close()
