"""A loop of events with two listening sockets on one port, each at an address of its own, and an io_uring without a
request, as a run time has it for files."""
import ctypes
import select
import socket
import sys

IO_URING_SETUP = 425

# Where there is none it does without.
ring = ctypes.CDLL(None).syscall(IO_URING_SETUP, 8, ctypes.create_string_buffer(120))
ready = select.epoll()
listening = {}
for host in ("127.0.0.1", "127.0.0.2"):
    listener = socket.create_server((host, int(sys.argv[1])))
    listener.setblocking(False)
    listening[listener.fileno()] = listener
    ready.register(listener, select.EPOLLIN)
clients = {}
while True:
    for fd, _ in ready.poll():
        if fd in listening:
            client, _ = listening[fd].accept()
            client.setblocking(False)
            clients[client.fileno()] = client
            ready.register(client, select.EPOLLIN)
            continue
        client = clients.pop(fd)
        try:
            if client.recv(32):
                client.sendall(b"55\n")
        except ConnectionError:
            pass
        ready.unregister(fd)
        client.close()
