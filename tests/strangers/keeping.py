"""An echo that does not heed an end of file: a thread, or a process, and a connection stay for each client that has
left."""
import os
import socket
import sys
import threading
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
    if sys.argv[2] == "threads":
        threading.Thread(target=serve, args=(client,), daemon=True).start()
        continue
    if os.fork() == 0:
        listening.close()
        serve(client)
    client.close()
