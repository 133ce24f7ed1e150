"""Answers with the limits that it has: how many tasks its namespace has, its memory, and how soon it goes."""
import resource
import socket
import sys


def first(path):
    with open(path) as file:
        return file.read().strip()


listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connected, _ = listening.accept()
    with connected:
        try:
            connected.makefile("rb").readline(32)
            tasks = first("/proc/sys/kernel/pid_max")
            memory, _ = resource.getrlimit(resource.RLIMIT_DATA)
            score = first("/proc/self/oom_score_adj")
            connected.send(f"{tasks} {memory} {score}\n".encode())
        except OSError:
            pass
