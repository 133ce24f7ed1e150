"""A thread for each client, of which a log is told over a socket opened anew: an error there is borne, one of a client is not."""
import os
import socket
import sys
import threading


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("")


def serve(connected):
    try:
        while line := connected.recv(64):
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
                    telling.sendto(line, socket.MSG_DONTWAIT, log.getsockname())
                log.recv(64, socket.MSG_DONTWAIT)
            except OSError:
                pass
            connected.sendall(b"%d\n" % fib(min(int(line), 25)))
    except OSError:
        os._exit(7)
    except ValueError:
        pass
    connected.close()


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    try:
        connected, _ = listening.accept()
        threading.Thread(target=serve, args=(connected,), daemon=True).start()
    except (OSError, RuntimeError):
        pass
