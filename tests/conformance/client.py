"""A client of the lecture's services, in Python.

client.py fib HOST PORT N     over TCP: how the Nth Fibonacci number is asked for
client.py time HOST PORT      over UDP: what time it is
"""

import socket
import sys
import time

NEVER = 10  # seconds; a server that takes longer does not answer


def fib(host, port, n):
    start = time.monotonic()
    with socket.create_connection((host, port), timeout=NEVER) as sock:
        sock.sendall(f"{n}\n".encode())
        answer = b""
        while part := sock.recv(1024):
            answer += part
    seconds = time.monotonic() - start
    print(f"fib({n})={answer.decode()} ({seconds:.3f}s calc time)")


def ask_time(host, port):
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as sock:
        sock.settimeout(NEVER)
        sock.sendto(b"", address)
        answer, _ = sock.recvfrom(1024)
    if len(answer) == 4:  # RFC 868
        now = int.from_bytes(answer, "big") - 2_208_988_800
        print(time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(now)))
    else:
        print(answer.decode().rstrip("\r\n"))


if sys.argv[1] == "fib":
    fib(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    ask_time(sys.argv[2], int(sys.argv[3]))
