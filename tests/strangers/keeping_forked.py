"""The same with a process for each client."""
import os
import socket
import sys
import time


def serve(connected):
    while True:
        try:
            data = connected.recv(1024)
            connected.sendall(data)
        except ConnectionError:
            data = b""
        if not data:
            time.sleep(1)


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listening.accept()
    if os.fork() == 0:
        listening.close()
        serve(client)
    client.close()
