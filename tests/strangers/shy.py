"""What holds secrets lets nobody look at it: prctl(PR_SET_DUMPABLE, 0), as ssh-agent does."""
import ctypes
import socketserver
import sys

PR_SET_DUMPABLE = 4
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)


class Ten(socketserver.StreamRequestHandler):
    def handle(self):
        if self.rfile.readline(32):
            self.wfile.write(b"55\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Ten).serve_forever()
