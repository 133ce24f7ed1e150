"""The loopback address of IPv4 on a socket of IPv6, as Java binds it."""
import socket
import sys

listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("::ffff:127.0.0.1", int(sys.argv[1])))
listener.listen()
while True:
    connected, _ = listener.accept()
    with connected:
        if connected.recv(32):
            connected.sendall(b"55\n")
