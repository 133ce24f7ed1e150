# Slide: UDP Time Service - Iterative
import sys
from datetime import datetime
from socket import *

s = socket(AF_INET, SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
try:
    while True:
        data, peer = s.recvfrom(1024)
        s.sendto(str(datetime.now()).encode("utf-8"), peer)
except KeyboardInterrupt:
    s.close()
