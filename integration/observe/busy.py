#!/usr/bin/env python3
"""A small MCP server whose one tool, `work`, does what servers in Python do: files, children,
threads, sockets, timers. It is watched while it does."""
import asyncio
import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import mmap
import multiprocessing
import os
import resource
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request


async def with_asyncio():
    process = await asyncio.create_subprocess_exec("git", "--version", stdout=asyncio.subprocess.PIPE)
    await process.communicate()
    await asyncio.to_thread(time.sleep, 0.01)
    with contextlib.suppress(OSError):
        await asyncio.open_connection("127.0.0.1", 443)
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().getaddrinfo("localhost", 80)


def files(folder):
    path = os.path.join(folder, "file")
    with open(path, "w+b") as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
        os.fdatasync(file.fileno())
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
        os.pread(file.fileno(), 1, 0)
        os.pwrite(file.fileno(), b"y", 0)
        os.readv(file.fileno(), [bytearray(1)])
        os.writev(file.fileno(), [b"z"])
        os.preadv(file.fileno(), [bytearray(1)], 0)
        os.pwritev(file.fileno(), [b"z"], 0)
        os.posix_fallocate(file.fileno(), 0, 8192)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        os.ftruncate(file.fileno(), 4096)
        with mmap.mmap(file.fileno(), 4096) as view:
            view.madvise(mmap.MADV_SEQUENTIAL)
            view.flush()
    shutil.copy2(path, path + "2")
    shutil.copytree(folder, folder + "-copy")
    shutil.rmtree(folder + "-copy")
    os.replace(path + "2", path + "3")
    os.symlink(path, path + "4")
    os.link(path, path + "5")
    os.truncate(path, 10)
    os.statvfs(folder)
    os.listxattr(path)
    with contextlib.suppress(OSError):
        os.getxattr(path, "user.none")
    os.access(path, os.R_OK)
    os.scandir(folder).close()
    list(os.fwalk(folder))
    with contextlib.suppress(OSError):
        os.sendfile(os.open(path + "7", os.O_CREAT | os.O_WRONLY), os.open(path, os.O_RDONLY), 0, 10)
    with contextlib.suppress(OSError):
        os.copy_file_range(os.open(path, os.O_RDONLY), os.open(path + "8", os.O_CREAT | os.O_WRONLY), 10)
    database = sqlite3.connect(os.path.join(folder, "database"))
    database.execute("pragma journal_mode=wal")
    database.execute("create table t (a)")
    database.execute("insert into t values (1)")
    database.commit()
    database.close()


def processes():
    subprocess.run(["git", "--version"], stdout=subprocess.DEVNULL)
    subprocess.run(["sh", "-c", "echo x | cat"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["git", "--version"], stdout=subprocess.DEVNULL, start_new_session=True, cwd="/", close_fds=False)
    child = subprocess.Popen(["sh", "-c", "read x"], stdin=subprocess.PIPE)
    child.terminate()
    child.wait()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(hashlib.sha256, [b"a"] * 8))
    for method in ("fork", "spawn", "forkserver"):
        with contextlib.suppress(OSError, EOFError, ConnectionError):
            context = multiprocessing.get_context(method)
            one = context.Process(target=time.sleep, args=(0.01,))
            one.start()
            one.join()
    with contextlib.suppress(OSError, ImportError):
        multiprocessing.Lock()
    signal.setitimer(signal.ITIMER_REAL, 10)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    signal.sigwait([signal.SIGUSR2])


def system():
    os.getpriority(os.PRIO_PROCESS, 0)
    os.sched_getaffinity(0)
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.sched_getscheduler(0)
    os.getloadavg()
    for ask in (os.getgroups, os.getresuid, os.getresgid, os.getpgrp, os.times, os.uname):
        ask()
    os.getpgid(0)
    os.getsid(0)
    os.umask(0o22)
    resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.getrusage(resource.RUSAGE_SELF)
    secrets.token_bytes(16)
    ssl.create_default_context()
    time.clock_gettime(time.CLOCK_MONOTONIC)
    time.clock_getres(time.CLOCK_MONOTONIC)
    time.sleep(0.001)
    with contextlib.suppress(OSError):
        os.close(os.memfd_create("x", 0x0008))
    with contextlib.suppress(OSError):
        os.close(os.eventfd(0))
    with contextlib.suppress(OSError):
        os.close(os.pidfd_open(os.getpid()))
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 80), 1)
    with contextlib.suppress(OSError):
        socket.getaddrinfo("localhost", 80)
    with contextlib.suppress(OSError):
        urllib.request.urlopen("https://127.0.0.1", timeout=1)
    left, right = socket.socketpair()
    left.sendmsg([b"x"])
    right.recvmsg(1)
    left.shutdown(socket.SHUT_RDWR)
    read, write = os.pipe()
    select.select([], [write], [], 0)
    select.poll().poll(0)
    with select.epoll() as poll:
        poll.register(read)
        poll.poll(0)
    threading.Thread(target=time.sleep, args=(0.001,)).start()


def work():
    with tempfile.TemporaryDirectory() as folder:
        attempt(lambda: files(folder))
    attempt(processes)
    attempt(system)
    attempt(lambda: asyncio.run(with_asyncio()))
    return "done"


def attempt(part):
    try:
        part()
    except Exception as error:
        # What is refused in the box is not what is watched.
        print(repr(error), file=sys.stderr)


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "initialize":
            result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                      "serverInfo": {"name": "busy", "version": "1"}}
        elif message.get("method") == "tools/list":
            result = {"tools": [{"name": "work", "inputSchema": {"type": "object"}}]}
        elif message.get("method") == "tools/call":
            result = {"content": [{"type": "text", "text": work()}]}
        else:
            continue
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
