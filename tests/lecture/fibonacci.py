# Slide: TCP Fibonacci Service - Iterative. What its server and those after it have in common.


def fib(n):
    if n == 0:
        return 0
    elif n == 1:
        return 1
    else:
        return fib(n - 1) + fib(n - 2)


def handle_request(client):
    buf = ""
    while True:
        d = client.recv(1).decode("utf-8")
        if d == "\n" or d == "\0":
            break
        buf += d
    number = int(buf)
    client.send(str(fib(number)).encode("utf-8"))
    client.close()
