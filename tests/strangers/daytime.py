"""RFC 867, a thread for each client: the server speaks first, and closes. Nobody has to say a word."""
import socketserver
import sys


class Daytime(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            self.request.sendall(b"Tue Jan 19 03:14:07 2038\r\n")
        except ConnectionError:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Daytime).serve_forever()
