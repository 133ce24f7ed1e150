# Slide: Not to block (for too long): non-blocking operation
import errno
import sys
import time
from socket import *

from fibonacci import fib

s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(5)
s.setblocking(0)
clients = {}
try:
    while True:
        try:
            client_socket, peer = s.accept()
            client_socket.setblocking(0)
            clients[client_socket] = ""
        except error as e:
            if e.args[0] not in (errno.EAGAIN, errno.EWOULDBLOCK):
                raise
        for client in list(clients):
            try:
                d = client.recv(1).decode("utf-8")
            except error as e:
                if e.args[0] not in (errno.EAGAIN, errno.EWOULDBLOCK):
                    raise
                continue
            if d == "\n" or d == "\0":
                client.send(str(fib(int(clients.pop(client)))).encode("utf-8"))
                client.close()
            else:
                clients[client] += d
        time.sleep(0.01)  # or it would use the whole CPU
except KeyboardInterrupt:
    s.close()
