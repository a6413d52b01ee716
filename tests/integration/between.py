"""Somebody who sits between a daemon and those who ask it."""

import contextlib
import os
import socket
import threading


class Between:
    """While it lasts, whoever asks at this path has his words passed on to the daemon, whose socket is at the other path meanwhile,
    and the answer's as they come; heard(request, answer), as far as they have come, is called before the asker hears the last
    of them."""

    def __init__(self, path, behind, heard):
        self.path, self.behind, self.heard = path, behind, heard
        self.listener = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        what = os.stat(self.path)
        os.rename(self.path, self.behind)
        self.listener.bind(str(self.path))
        os.chown(self.path, what.st_uid, what.st_gid)
        os.chmod(self.path, what.st_mode & 0o777)
        self.listener.listen(128)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        os.rename(self.behind, self.path)  # those who are talking go on
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                asker, _ = self.listener.accept()
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(str(self.behind))
                asked = bytearray()
                threading.Thread(target=self.pass_on, args=(asker, daemon, asked), daemon=True).start()
                threading.Thread(target=self.pass_on, args=(daemon, asker, bytearray(), asked), daemon=True).start()

    def pass_on(self, source, sink, said, asked=None):
        with contextlib.suppress(OSError):
            while words := source.recv(65536):
                said += words
                if asked is not None:
                    self.heard(bytes(asked), bytes(said))
                sink.sendall(words)
            sink.shutdown(socket.SHUT_WR)
