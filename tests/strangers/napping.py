"""A thread for each client: after an error of recv() or send() it lets a second pass, and then ends the connection."""
import socket
import sys
import threading
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def serve(client):
    try:
        line = client.recv(64)
        client.sendall(b"%d\n" % fib(min(int(line), 25)))
    except OSError:
        time.sleep(1)
    except ValueError:
        pass
    client.close()


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    threading.Thread(target=serve, args=(client,)).start()
