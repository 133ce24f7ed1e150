"""SIGPIPE has its default action, as in C, and every send() says MSG_NOSIGNAL."""
import signal
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connected, _ = listening.accept()
    with connected:
        try:
            line = connected.makefile("rb").readline(32)
            connected.send(b"%d\n" % fib(min(int(line), 25)), socket.MSG_NOSIGNAL)
        except (OSError, ValueError):
            pass
