# Slide: TCP Fibonacci Service - Iterative
import sys
from socket import *

from fibonacci import handle_request

if __name__ == "__main__":
    s = socket(AF_INET, SOCK_STREAM)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(sys.argv[1])))
    s.listen(1)
    try:
        while True:
            client_socket, peer = s.accept()
            handle_request(client_socket)
    except KeyboardInterrupt:
        s.close()
