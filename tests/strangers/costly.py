"""An echo, one client after the other, to which "work" costs a part of a second, and which no client may leave early."""
import socket
import sys
import time


def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connected, _ = listening.accept()
    with connected:
        while line := connected.recv(64):
            work(0.4 if line == b"work\n" else 0)
            connected.sendall(line)
