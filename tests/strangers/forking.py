"""socketserver's processes: an ended child is waited for when the next one is made."""
import socketserver
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Fibonacci(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline(32)
        if line.strip().isdigit():
            self.wfile.write(b"%d\n" % fib(min(int(line), 25)))


class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True


Server(("127.0.0.1", int(sys.argv[1])), Fibonacci).serve_forever()
