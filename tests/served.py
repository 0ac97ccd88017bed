"""`workbench serve` in a process of its own, and raw requests to it, for tests of safety."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

from browser import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PASSWORD = "correct horse battery"


@contextmanager
def served(*arguments: object, folder: Path | None = None, **environment: str) -> Iterator[Caller]:
    """Serve with these arguments on a free port, in a folder; yield what makes requests to it."""
    command = [sys.executable, "-m", "workbench", "serve", *map(str, arguments)]
    with subprocess.Popen(
        [*command, "--port", "0", "--no-open", "--ready", "2"],
        stdout=subprocess.PIPE,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", **environment},
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = next((line for line in server.stdout if line.startswith("http")), "")
            yield Caller(address.strip())
        finally:
            server.terminate()
            try:
                server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def cookies(self) -> dict[str, tuple[str, list[str]]]:
        """The value and the attributes of each cookie that it sets."""
        found = {}
        for header in self.headers.get_all("Set-Cookie") or []:
            pair, *attributes = header.split("; ")
            name, _, value = pair.partition("=")
            found[name] = value.strip('"'), attributes
        return found


@dataclass
class Caller:
    """Somebody who makes requests, one by one, and keeps the cookies."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The host and port of the server."""
        return urlsplit(self.address).netloc

    def ask(
        self,
        path: str = "/",
        body: Mapping[str, str] | None = None,
        *,
        method: str | None = None,
        **headers: str,
    ) -> Reply:
        """Make one request, following no redirection; an underscore in a header is a dash."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        data = None if body is None else urlencode(body)
        if data is not None:
            given["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, data, given)
            response = connection.getresponse()
            reply = Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()
        for name, (value, _) in reply.cookies.items():
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return reply

    def page(self, path: str = "/") -> Reply:
        """Ask as a browser that opens a page."""
        return self.ask(path, Accept="text/html")

    def log_in(self, user: str, password: str, onward: str = "/") -> Reply:
        """Fill in the form of the login and send it."""
        form = self.page("/login")
        values = {"user": user, "password": password, "next": onward, "_xsrf": xsrf_of(form)}
        return self.ask("/login", values)

    def stranger(self) -> Caller:
        """Return somebody else."""
        return Caller(self.address)


def xsrf_of(form: Reply) -> str:
    """Return the token that stands in a form."""
    found = re.search(r'name="_xsrf" value="([^"]+)"', form.text)
    assert found is not None, form.text
    return found[1]


class Provider:
    """A double of a provider of OAuth: everybody is whom the test says."""

    def __init__(self) -> None:
        self.email = ""
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)
                provider.asked.append((parts.path, query))
                if parts.path == "/authorize":
                    onward = {"code": "c0de", "state": query["state"][0]}
                    self.send_response(302)
                    self.send_header("Location", f"{query['redirect_uri'][0]}?{urlencode(onward)}")
                    self.end_headers()
                else:
                    self.answer({"email": provider.email})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = parse_qs(self.rfile.read(length).decode())
                provider.asked.append((self.path, body))
                self.answer({"access_token": "s3cret-token", "token_type": "bearer"})

            def answer(self, value: object) -> None:
                data = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
