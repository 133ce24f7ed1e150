# Slide: Non-Blocking: Example
import errno
import socket
import sys
import time

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
print("connecting!")
s.connect(("localhost", int(sys.argv[1])))
print("connected!")
s.setblocking(0)
while True:
    try:
        print("received: {}".format(s.recv(1024).decode("utf-8")))
    except socket.error as e:
        err = e.args[0]
        if err == errno.EAGAIN:
            print("EAGAIN")
        if err == errno.EWOULDBLOCK:
            print("EWOULDBLOCK")
        time.sleep(0.01)  # or it would use the whole CPU
