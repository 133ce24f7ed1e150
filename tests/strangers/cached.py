"""A thread for each client, which waits for the next one when its own has left: another is made only if all are busy. A
client that can have none is turned away."""
import queue
import socket
import sys
import threading

IDLE = []


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def serve(connected):
    with connected:
        try:
            line = connected.makefile("rb").readline(32)
            connected.sendall(b"%d\n" % fib(min(int(line), 25)))
        except (OSError, ValueError):
            pass


def work(own):
    while True:
        serve(own.get())
        IDLE.append(own)


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
while True:
    connected, _ = listening.accept()
    if IDLE:
        IDLE.pop().put(connected)
        continue
    own = queue.SimpleQueue()
    own.put(connected)
    try:
        threading.Thread(target=work, args=(own,), daemon=True).start()
    except RuntimeError:
        connected.close()
    del own, connected
