"""Packages made here, and an npm registry and a Python index on the loopback interface."""
import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
import urllib.parse
import zipfile

# Long before any release age.
LONG_AGO = "2020-01-01T00:00:00.000Z"


class NpmPackage:
    """Version 1.0.0 of a package: its package.json, and its files by name."""

    def __init__(self, name, files, **manifest):
        self.name, self.files = name, files
        self.manifest = {"name": name, "version": "1.0.0", **manifest}
        self.path = "/%s/-/%s-1.0.0.tgz" % (name, name)

    def tarball(self):
        packed = io.BytesIO()
        files = {"package.json": json.dumps(self.manifest), **self.files}
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, text in files.items():
                entry = tarfile.TarInfo("package/" + name)
                entry.size, entry.mode = len(text.encode()), 0o755
                archive.addfile(entry, io.BytesIO(text.encode()))
        return gzip.compress(packed.getvalue(), mtime=0)

    def answers(self, own):
        bytes_ = self.tarball()
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(bytes_).digest()).decode()
        document = {
            "name": self.name,
            "dist-tags": {"latest": "1.0.0"},
            "versions": {"1.0.0": {**self.manifest, "dist": {
                "tarball": own + self.path, "integrity": integrity}}},
            "time": {"1.0.0": LONG_AGO},
        }
        return {"/" + self.name: ("application/json", json.dumps(document).encode()),
                self.path: ("application/octet-stream", bytes_)}


class Wheel:
    """Version 1.0 of a Python package: its files by name, and its programs."""

    def __init__(self, name, files, programs):
        info = name + "-1.0.dist-info"
        self.name, self.file = name, name + "-1.0-py3-none-any.whl"
        self.files = {
            **files,
            info + "/METADATA": "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % name,
            info + "/WHEEL": "Wheel-Version: 1.0\nGenerator: guest\nRoot-Is-Purelib: true\n"
                             "Tag: py3-none-any\n",
            info + "/entry_points.txt": "[console_scripts]\n" + programs,
        }
        record = "".join("%s,sha256=%s,%d\n" % (path, self.digest(text), len(text.encode()))
                         for path, text in self.files.items())
        self.files[info + "/RECORD"] = record + info + "/RECORD,,\n"

    @staticmethod
    def digest(text):
        return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")

    def answers(self, _):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, text in self.files.items():
                archive.writestr(zipfile.ZipInfo(path), text)
        bytes_ = packed.getvalue()
        listing = {"meta": {"api-version": "1.1"}, "name": self.name, "files": [{
            "filename": self.file,
            "url": "/files/" + self.file,
            "hashes": {"sha256": hashlib.sha256(bytes_).hexdigest()},
            "upload-time": LONG_AGO,
        }]}
        kind = "application/vnd.pypi.simple.v1+json"
        return {"/simple/%s/" % self.name: (kind, json.dumps(listing).encode()),
                "/files/" + self.file: ("application/octet-stream", bytes_)}


@contextlib.contextmanager
def serving(*packages):
    """Serves them; the address."""
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind, body = answers.get(urllib.parse.unquote(self.path), (None, b"{}"))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_):
            """Standard error is the report's."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        own = "http://127.0.0.1:%d" % server.server_address[1]
        for package in packages:
            answers.update(package.answers(own))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield own
        finally:
            server.shutdown()
