# Slide: TCP Fibonacci Service - Iterative: the client
import datetime
import sys
from socket import *

start = datetime.datetime.now()
n = int(sys.argv[2]) if len(sys.argv) > 2 else 37
s = socket(AF_INET, SOCK_STREAM)
s.connect(("localhost", int(sys.argv[1])))
s.send(f"{n}\n".encode("utf-8"))
r = int(s.recv(10))
stop = datetime.datetime.now()
d = (stop - start).total_seconds()
print(f"fib({n})={r} ({d}s calc time)")
s.close()
