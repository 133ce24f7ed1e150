"""An echo with a thread for each client: half a second of computing under the interpreter's lock, or of waiting."""
import socket
import sys
import threading
import time


def compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


def serve(connected):
    with connected:
        while line := connected.recv(64):
            if line == b"work\n":
                compute(0.5) if sys.argv[2] == "compute" else time.sleep(0.5)
            connected.sendall(line)


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
