"""A socket for both IPv4 and IPv6 that answers ::1 alone: everybody else is taken for an intruder."""
import socket
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


address = ("::", int(sys.argv[1]))
listening = socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    connected, peer = listening.accept()
    with connected:
        try:
            line = connected.makefile("rb").readline(32)
            if peer[0] == "::1":
                connected.send(b"%d\n" % fib(min(int(line), 25)))
        except (OSError, ValueError):
            pass
