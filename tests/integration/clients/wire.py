"""What clients said to the API daemon and what it answered, heard on the way: who called which operation, by the
User-Agent, and each answer, which shape.py looks at. A proxy: requests and answers pass unchanged."""

import collections
import contextlib
import http.client
import http.server
import re
import threading
import urllib.parse

import shape

# How the clients name themselves. The first that is found counts: the AWS CLI and Terraform name their SDK as well.
CLIENTS = (("terraform", "terraform-provider-aws"), ("cli", "aws-cli/"), ("boto3", "Boto3/"))
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}

Call = collections.namedtuple("Call", "client service operation status content_type body")


def client_of(agent):
    return next((name for name, mark in CLIENTS if mark in agent), "other")


def service_of(authorization):
    """Of the credential's scope."""
    found = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request", authorization or "")
    return found.group(1) if found else ""


def operation_of(service, method, path, headers, body):
    """Its name, or "" where the request names none."""
    target = headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    plain, _, query = path.partition("?")
    fields = urllib.parse.parse_qs(body.decode("latin-1")) if b"Action=" in body else urllib.parse.parse_qs(query)
    if "Action" in fields:
        return fields["Action"][0]
    smithy = re.fullmatch(r"/service/\w+/operation/(\w+)", plain)
    return smithy.group(1) if smithy else shape.rest_operation(service, method, plain)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with contextlib.closing(http.client.HTTPConnection(*self.server.behind, timeout=120)) as onward:
            onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP - {"content-length"}:
                    onward.putheader(name, value)
            onward.endheaders(body)
            answer = onward.getresponse()
            octets = answer.read()
        self.server.note(self, body, answer, octets)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(octets)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do

    def log_message(self, *_):
        pass


class Recorder(http.server.ThreadingHTTPServer):
    """Listens on a port of its own; `endpoint` is what clients are told."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, endpoint):
        super().__init__(("127.0.0.1", 0), Handler)
        there = urllib.parse.urlsplit(endpoint)
        self.behind = there.hostname, there.port
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.calls, self.lock = [], threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def note(self, request, body, answer, octets):
        service = service_of(request.headers.get("Authorization"))
        call = Call(client_of(request.headers.get("User-Agent", "")), service,
                    operation_of(service, request.command, request.path, request.headers, body),
                    answer.status, answer.getheader("Content-Type") or "", octets)
        with self.lock:
            self.calls.append(call)

    def handle_error(self, request, client_address):
        """A client that went away has nothing to be told; what the daemon did not answer the client sees."""

    def close(self):
        self.shutdown()
        self.server_close()

    def heard(self, service):
        """{operation: {client: number of calls that were answered well}}."""
        seen = collections.defaultdict(collections.Counter)
        with self.lock:
            for call in self.calls:
                if call.service == service and call.status < 300:
                    seen[call.operation][call.client] += 1
        return seen

    def complaints(self, present, service=None):
        """What is wrong with the answers, or a service's, each complaint once, with the operation it was seen in."""
        with self.lock:
            calls = [c for c in self.calls if service in (None, c.service)]
        return sorted({f"{c.service} {c.operation}: {text}" for c in calls for text in shape.check(c, present)})
