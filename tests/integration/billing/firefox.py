"""Firefox without a screen, driven by the protocol it brings along (Marionette)."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import time


PATIENCE_S = 300


class Firefox:
    """One browser with a profile of its own, in the given directory."""

    def __init__(self, program, directory):
        self.profile = pathlib.Path(directory)
        self.profile.mkdir()
        # Port 0: one that is free, which it writes into its profile. Nothing is asked of the network.
        (self.profile / "user.js").write_text('user_pref("marionette.port", 0);\nuser_pref("network.proxy.type", 0);\n'
                                              'user_pref("datareporting.policy.dataSubmissionEnabled", false);\n', encoding="ascii")
        environment = {**os.environ, "HOME": str(self.profile), "MOZ_HEADLESS": "1", "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
        with open(self.profile / "log", "wb") as log:
            self.process = subprocess.Popen([program, "--headless", "--marionette", "--no-remote", "--profile", str(self.profile)],  # pylint: disable=consider-using-with
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self.socket, self.buffer, self.number = None, b"", 0

    def __enter__(self):
        try:
            self.connect(time.monotonic() + PATIENCE_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.socket:
            self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self):
        return (self.profile / "log").read_text(errors="replace")[-3000:]

    def port(self):
        """It is written when it listens."""
        with contextlib.suppress(OSError):
            return int((self.profile / "MarionetteActivePort").read_text(encoding="ascii") or 0)
        found = re.search(r"Listening on port (\d+)", self.log())
        return int(found[1]) if found else 0

    def connect(self, until):
        while not self.port():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"Firefox does not come up:\n{self.log()}")
            time.sleep(0.1)
        self.socket = socket.create_connection(("127.0.0.1", self.port()), timeout=PATIENCE_S)
        self.receive()  # who it is
        self.ask("WebDriver:NewSession", {})

    def receive(self):
        """One message: its length, a colon, JSON."""
        while b":" not in self.buffer:
            self.fill()
        length, _, self.buffer = self.buffer.partition(b":")
        while len(self.buffer) < int(length):
            self.fill()
        text, self.buffer = self.buffer[:int(length)], self.buffer[int(length):]
        return json.loads(text)

    def fill(self):
        more = self.socket.recv(65536)
        if not more:
            raise AssertionError(f"Firefox has gone:\n{self.log()}")
        self.buffer += more

    def ask(self, command, parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.socket.sendall(str(len(text)).encode() + b":" + text)
        _, number, error, result = self.receive()
        assert number == self.number and not error, error
        return result

    def visit(self, url):
        self.ask("WebDriver:Navigate", {"url": url})

    def run(self, script):
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]

    def page(self):
        return self.run("return document.documentElement.outerHTML")
