"""A stand-in for the API, and the client run against it."""

import http.server
import json
import os
import pathlib
import queue
import socketserver
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
INSTANCE = "i-0123456789abcdef0"


class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "client"

    def log_message(self, *_):
        pass

    def answer(self, status, document):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self):
        """What the test puts into the queue, until it puts None."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        while True:
            piece = self.server.events.get()
            if piece is None:
                return
            self.wfile.write(piece)

    def do_GET(self):
        self.server.seen.append(("GET", self.path, None, dict(self.headers)))
        if self.server.events and self.path.startswith("/v1/events"):
            self.stream()
            return
        self.answer(*self.server.pages.get(self.path, (404, {"message": "no such page"})))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"]
        self.server.seen.append((operation, self.path, body, dict(self.headers)))
        if self.server.on_call:
            self.server.on_call(self.server)
        answers = self.server.answers[operation]
        self.answer(*(answers.pop(0) if len(answers) > 1 else answers[0]))


class OnSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class OnNetwork(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def serve(server):
    server.seen, server.answers, server.pages, server.events, server.on_call = [], {}, {}, None, None
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def api(tmp_path):
    server = serve(OnSocket(str(tmp_path / "minicloud.sock"), Handler))
    yield server
    if server.events:
        server.events.put(None)
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path):
    """Run the client: exit status, output, errors."""
    (tmp_path / "bin").mkdir()

    def it(*words, **more):
        environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path),
                       "MINICLOUD_RUN": str(tmp_path), "LC_ALL": "C.UTF-8", **more}
        done = subprocess.run([ROOT / "build" / "minicloud", *words], env=environment, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr

    return it


def script(path, text):
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)


def instances(state="running", **more):
    return {"Reservations": [{"Instances": [{"InstanceId": INSTANCE, "State": {"Name": state},
                                             "KeyName": "k", **more}]}]}


def event(kind="instance", number=1, **more):
    """A server-sent event as the API sends it."""
    data = json.dumps({"kind": kind, "id": INSTANCE, "change": "changed", **more})
    return f"id: e-{number}\nevent: state\ndata: {data}\n\n".encode()


def with_events(server):
    """Let it have an event stream; the queue of what it says."""
    server.events = queue.Queue()
    return server.events
