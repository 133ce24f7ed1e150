"""A loop of events that computes to the end, and looks then whether SIGTERM has come. With "exit" the second ends it."""
import os
import selectors
import signal
import socket
import sys
import time


def compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


stop = False


def ask(*_):
    global stop
    if stop and "exit" in sys.argv:
        os._exit(3)
    stop = True


signal.signal(signal.SIGTERM, ask)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
wake, woken = socket.socketpair()
wake.setblocking(False)
signal.set_wakeup_fd(wake.fileno())
ready = selectors.DefaultSelector()
for one in listening, woken:
    ready.register(one, selectors.EVENT_READ)
while not stop:
    for key, _ in ready.select():
        if key.fileobj is listening:
            ready.register(listening.accept()[0], selectors.EVENT_READ)
        elif key.fileobj is not woken:
            line = key.fileobj.recv(64)
            if line == b"work\n":
                compute(0.8)
            if line and not stop:
                key.fileobj.sendall(line)
            if not line:
                ready.unregister(key.fileobj)
                key.fileobj.close()
