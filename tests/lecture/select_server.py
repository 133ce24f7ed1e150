# Slides: I/O Multiplexing I and II
import select
import sys
from socket import *

from fibonacci import fib

s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(5)
clients = {}
try:
    while True:
        rdrs, wrtrs, errs = select.select([s] + list(clients), [], [])
        for r in rdrs:
            if r is s:
                client_socket, peer = s.accept()
                clients[client_socket] = ""
                continue
            d = r.recv(1).decode("utf-8")
            if d == "\n" or d == "\0":
                r.send(str(fib(int(clients.pop(r)))).encode("utf-8"))
                r.close()
            else:
                clients[r] += d
except KeyboardInterrupt:
    s.close()
