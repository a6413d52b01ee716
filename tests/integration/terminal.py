"""A program on a terminal of its own, as a person has it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

PATIENCE_S = 120


class Terminal:
    def __init__(self, command, environment, rows=30, columns=120):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process = subprocess.Popen([str(word) for word in command], env={**environment, "TERM": "xterm-256color"},
                                        stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        start_new_session=True, preexec_fn=self.control)

    def control(self):
        """In the child: the terminal is its controlling one."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, timeout):
        if select.select([self.master], [], [], timeout)[0]:
            self.seen += os.read(self.master, 65536)
            return True
        return False

    @property
    def text(self):
        return self.seen.decode(errors="replace")

    def expect(self, pattern, timeout=PATIENCE_S):
        """Read until the pattern is there; what comes behind it is kept. The match."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0:  # who did not get to run for a while has not read
                self.read(0)
            found = re.search(pattern, self.text)
            if found:
                self.seen = self.text[found.end():].encode()
                return found
            if left <= 0 or (not self.read(min(left, 0.5)) and self.process.poll() is not None and not self.read(0)):
                raise AssertionError(f"{pattern!r} did not come (status {self.process.poll()}):\n{self.text}")

    def end(self, timeout=PATIENCE_S):
        """Wait for the program's end; its status."""
        stop = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < stop:
            self.read(0.2)
        while self.read(0):
            pass
        return self.process.wait(timeout=1)

    def mode_is_restored(self):
        return termios.tcgetattr(self.slave) == self.before
