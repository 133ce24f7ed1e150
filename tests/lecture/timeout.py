# Slide: Not to block (for too long): timeouts
import sys
from socket import *

from fibonacci import handle_request

s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(5)
try:
    while True:
        client_socket, peer = s.accept()
        client_socket.settimeout(5.0)
        try:
            handle_request(client_socket)
        except timeout:
            client_socket.close()
except KeyboardInterrupt:
    s.close()
