"""An echo server over UDP that waits a little before each answer, by poll()."""
import select
import socket
import sys

bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bound.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    request, client = bound.recvfrom(512)
    select.poll().poll(50)
    bound.sendto(request, client)
