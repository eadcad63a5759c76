"""Runs a server and keeps every line that it and its client exchange.

tap.py FOLDER COMMAND ARGUMENT…
Each run makes one file in FOLDER, named by the time of its start: `>` before a line of the
client's, `<` before one of the server's. Ends its server soon after the client has closed.
"""
import os
import signal
import subprocess
import sys
import threading
import time

folder, command = sys.argv[1], sys.argv[2:]
kept = open(f"{folder}/{time.time_ns():020}", "xb", buffering=0)
server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
signal.signal(signal.SIGTERM, lambda *_: server.terminate())


def copy(mark, source, target):
    for line in source:
        # One write: both directions append to the same file.
        kept.write(mark + b" " + line)
        try:
            target.write(line)
            target.flush()
        except OSError:
            return


def from_client():
    copy(b">", sys.stdin.buffer, server.stdin)
    try:
        server.stdin.close()
        # As the official clients do, only sooner: some servers do not end with their input.
        server.wait(0.5)
    except subprocess.TimeoutExpired:
        server.terminate()
    except OSError:
        pass


threading.Thread(target=from_client, daemon=True).start()
copy(b"<", server.stdout, sys.stdout.buffer)
sys.stdout.flush()
os._exit(server.wait())
