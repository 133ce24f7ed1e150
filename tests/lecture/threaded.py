# Slide: TCP Fibonacci Service - Threaded
import sys
import threading
from socket import *

from fibonacci import handle_request

s = socket(AF_INET, SOCK_STREAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(5)
try:
    while True:
        client_socket, peer = s.accept()
        thread = threading.Thread(target=handle_request, args=(client_socket,))
        thread.start()
except KeyboardInterrupt:
    s.close()
