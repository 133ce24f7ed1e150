# Slide: UDP Time Service
import sys
from datetime import datetime
from socket import *

s = socket(AF_INET, SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
data, peer = s.recvfrom(1024)
s.sendto(str(datetime.now()).encode("utf-8"), peer)
s.close()
