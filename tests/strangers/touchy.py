"""Iterative, and never asked whether anything has come: a client that leaves without a word is its end."""
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    with client:
        client.sendall(b"%d\n" % fib(min(int(client.recv(64)), 25)))
