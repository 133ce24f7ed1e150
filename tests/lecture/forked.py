# Slide: TCP Fibonacci Service - Forked
import os
import signal
import sys
from socket import *

from fibonacci import handle_request

s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(5)
# Ended children leave no zombies.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
try:
    while True:
        client_socket, peer = s.accept()
        child_pid = os.fork()
        if child_pid == 0:
            handle_request(client_socket)
            break
        else:
            client_socket.close()
except KeyboardInterrupt:
    s.close()
