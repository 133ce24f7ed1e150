"""An echo without the signal SIGPIPE, whatever its default, that ends with EPIPE: as C programs do, unlike Python's."""
import os
import signal
import socket
import sys

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connected, _ = listening.accept()
    with connected:
        try:
            while line := connected.recv(64):
                connected.send(line, socket.MSG_NOSIGNAL)
        except BrokenPipeError:
            os._exit(4)
        except OSError:
            pass
