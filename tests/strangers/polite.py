"""A greeting to each client, and then its request: one client at a time."""
import socket
import sys

listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connected, _ = listening.accept()
    with connected:
        try:
            connected.sendall(b"220 ready\n")
            if connected.recv(32):
                connected.sendall(b"55\n")
        except OSError:
            pass
