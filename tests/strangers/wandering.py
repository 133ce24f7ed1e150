"""If its port can't be had it takes another one: nobody finds it there."""
import socket
import sys

listening = socket.socket()
try:
    listening.bind(("127.0.0.1", int(sys.argv[1])))
except OSError:
    listening.bind(("127.0.0.1", 0))
listening.listen()
while True:
    connected, _ = listening.accept()
    with connected:
        try:
            if connected.recv(32):
                connected.sendall(b"55\n")
        except OSError:
            pass
