# SPDX-License-Identifier: MIT
"""GitHub's REST interface as far as comments go: a real HTTP server on the loopback, with their rights and pages."""

import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ROUTES = (
    ("GET", r"/repos/owner/repository/issues/(\d+)/comments\?per_page=(\d+)&page=(\d+)", "listed"),
    ("POST", r"/repos/owner/repository/issues/(\d+)/comments", "created"),
    ("PATCH", r"/repos/owner/repository/issues/comments/(\d+)", "changed"),
)


class Comments(BaseHTTPRequestHandler):
    def answer(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        if not self.server.may_write and self.command != "GET":
            return 403, {"message": "Resource not accessible by integration"}
        if self.headers["Authorization"] != "Bearer secret":
            return 401, {"message": "Bad credentials"}
        for method, path, name in ROUTES:
            if method == self.command and (match := re.fullmatch(path, self.path)):
                return getattr(self, name)(*map(int, match.groups()), body=body)
        return 404, {"message": "Not Found"}

    def listed(self, _, size, page, body):
        assert body is None
        return 200, self.server.comments[(page - 1) * size : page * size]

    def created(self, _, body):
        self.server.comments.append({"id": len(self.server.comments), "body": body["body"], "html_url": "https://x/1"})
        return 201, self.server.comments[-1]

    def changed(self, number, body):
        self.server.comments[number]["body"] = body["body"]
        return 200, self.server.comments[number]

    def do_any(self):
        code, document = self.answer()
        data = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_any  # noqa: N815  # http.server's names

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    """Give a server with no comments, that may be written to."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Comments) as server:
        server.comments, server.may_write = [], True
        server.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
