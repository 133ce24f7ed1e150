# Slide: UDP Time Service: a client
import sys
from socket import *

s = socket(AF_INET, SOCK_DGRAM)
s.sendto(b"time", ("localhost", int(sys.argv[1])))
data, peer = s.recvfrom(1024)
print(data.decode("utf-8"))
s.close()
