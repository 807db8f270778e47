"""A server on loopback that speaks as much of the Hugging Face hub as a download needs."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(repo: str, files: dict[str, bytes]):
    """Serve ``files`` (path to content) as repository ``repo``; the server's ``asked`` lists the paths fetched."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.repo, server.files, server.asked = repo, files, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, repo = urlsplit(self.path).path, self.server.repo
        files = self.server.files
        if path == f"/api/models/{repo}/revision/main":
            siblings = [{"rfilename": name} for name in files]
            self.answer(json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode())
        elif path == f"/api/models/{repo}/tree/{COMMIT}":
            tree = [{"type": "file", "path": name, "size": len(data), "oid": oid(data)} for name, data in files.items()]
            self.answer(json.dumps(tree).encode())
        elif path.startswith(f"/{repo}/resolve/"):
            name = path.split("/", 5)[5]
            if self.command == "GET":
                self.server.asked.append(name)
            self.answer(files[name], {"ETag": f'"{oid(files[name])}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(b"{}", status=404)

    do_HEAD = do_GET  # noqa: N815

    def answer(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def oid(data: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def files_of(folder: str, prefix: str = "") -> dict[str, bytes]:
    return {prefix + path.name: path.read_bytes() for path in Path(folder).iterdir()}
