"""What browsers get: one page, and events that say how things stand.

In: a `Board`, on which the page and what is to be said of it stand.  Out: a server on 127.0.0.1.

Whoever asks shows the token, as ``?token=…`` or as the cookie that this is traded for, and names this machine as the
host, which a page elsewhere cannot make a browser do.  There are two addresses, ``/`` and ``/events``; nothing that is
sent is run, and none of it becomes the path of a file.
"""
from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import SplitResult, parse_qs, urlsplit

from archviz.apps.serve.answer import Mistake
from archviz.apps.serve.live import blank, live
from archviz.core.errors import ArchvizError

HOST = "127.0.0.1"
NAMES = frozenset({HOST, "localhost"})      # what a browser on this machine may call it; the port may be forwarded
FIRST, TRIED = 8420, 20                     # the port that is tried first, and how many after it
HEARTBEAT = 15.0                            # seconds of silence after which an event says that we are still here
SAFE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ALONE = ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")      # said of every answer


@dataclass(frozen=True)
class Busy:
    """A figure is being drawn: for how long already, how long it may take, and what it is at."""

    seconds: float
    limit: float
    step: str = ""


@dataclass(frozen=True)
class Shown:
    """What a browser shows: a page by its name, which is empty for one without a figure, and what is said over it."""

    target: str
    page: str
    content: bytes
    policy: str
    busy: Busy | None = None
    mistake: Mistake | None = None

    def told(self) -> str:
        error = {"target": self.target, **asdict(self.mistake)} if self.mistake else None
        return json.dumps({"page": self.page, "busy": self.busy and asdict(self.busy), "error": error})


class Board:
    """What is shown now; whoever waits is told when it changes."""

    def __init__(self, target: str) -> None:
        self.shown = Shown(target, "", *live(blank(target), ""))
        self.drawn: bytes | None = None                 # the page as the backend made it
        self.condition = threading.Condition()
        self.closed = False

    def put(self, page: bytes | None = None, **parts: object) -> None:
        """Show another page, and say something else of it."""
        changes = dict(parts)
        if page is not None and page != self.drawn:
            self.drawn, name = page, secrets.token_hex(8)
            content, policy = live(page, name)
            changes.update(page=name, content=content, policy=policy)
        with self.condition:
            self.shown = replace(self.shown, **changes)     # type: ignore[arg-type]
            self.condition.notify_all()

    def after(self, last: Shown | None) -> Shown | None:
        """What is shown, once it is not `last` any more or we have been silent for long; None: we close."""
        with self.condition:
            self.condition.wait_for(lambda: self.closed or self.shown is not last, HEARTBEAT)
            return None if self.closed else self.shown

    def close(self) -> None:
        with self.condition:
            self.closed = True
            self.condition.notify_all()


class Server(ThreadingHTTPServer):
    """Serves one board to those who have its token."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"       # where it would let two servers have one port

    def __init__(self, port: int, board: Board) -> None:
        self.board, self.token, self.once = board, secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        super().__init__((HOST, port), Handler)
        self.cookie = f"archviz-{self.server_port}"     # cookies of all ports of a host go to each

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    @property
    def address_once(self) -> str:
        """One that can be used once: other users of this machine may read what a browser is started with."""
        return f"http://{HOST}:{self.server_port}/?token={self.once}"

    def server_bind(self) -> None:
        """Without asking for the name of this machine, as HTTPServer does, which may take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def knows(self, token: str) -> bool:
        """Whether it is the token."""
        return secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def admits(self, token: str) -> bool:
        """Whether it is the token, or the one that can be used once and has not been."""
        if secrets.compare_digest(token.encode("utf-8", "replace"), self.once.encode()):
            self.once = secrets.token_urlsafe(32)
            return True
        return self.knows(token)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that has gone is nothing to tell the user of."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    timeout = 60

    def parse_request(self) -> bool:
        """Read what is asked; whatever is not to be answered is refused here, before any method is looked for."""
        if not super().parse_request():
            return False
        self.close_connection = True
        url = self.url = _split(self.path)
        host = _split(f"//{self.headers.get('Host', '')}").hostname
        tokens = parse_qs(url.query).get("token", []) if url.path == "/" else []
        self.traded = len(tokens) == 1 and host in NAMES and self.server.admits(tokens[0])
        if host not in NAMES or not (self.traded or self.server.knows(self._cookie())):
            self._say(HTTPStatus.FORBIDDEN, "archviz serve: open the address that it printed, with its token")
        elif self.command != "GET":
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "archviz serve: only GET", {"Allow": "GET"})
        elif url.path not in ("/", "/events"):
            self._say(HTTPStatus.NOT_FOUND, "archviz serve: there is only one page, /")
        else:
            return True
        return False

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):      # the browser has gone
            if self.url.path == "/events":
                self._events()
            else:
                shown = self.server.board.shown
                traded = f"{self.server.cookie}={self.server.token}; Path=/; HttpOnly; SameSite=Strict"
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", shown.content, shown.policy,
                             {"Set-Cookie": traded} if self.traded else {})

    def _events(self) -> None:
        self._head(HTTPStatus.OK, "text/event-stream", "default-src 'none'", {})
        last = None
        while (shown := self.server.board.after(last)) is not None:
            self.wfile.write(b": still here\n\n" if shown is last else f"data: {shown.told()}\n\n".encode())
            self.wfile.flush()
            last = shown

    def _cookie(self) -> str:
        try:
            sent = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return ""
        return sent[self.server.cookie].value if self.server.cookie in sent else ""

    def _say(self, status: HTTPStatus, message: str, more: Mapping[str, str] = {}) -> None:  # noqa: B006
        with contextlib.suppress(OSError):
            self._answer(status, "text/plain; charset=utf-8", f"{message}\n".encode(), "default-src 'none'", more)

    def _answer(self, status: HTTPStatus, kind: str, content: bytes, policy: str, more: Mapping[str, str]) -> None:
        self._head(status, kind, policy, {"Content-Length": str(len(content)), **more})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _head(self, status: HTTPStatus, kind: str, policy: str, more: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Security-Policy": _alone(policy), **SAFE,
                            "Connection": "close", **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        return "archviz"

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line."""


def _alone(policy: str) -> str:
    """`policy` with what is said of every answer, where it does not say it itself."""
    directives = {part.split()[0] for part in policy.split(";") if part.strip()}
    return "; ".join((policy, *(one for one in ALONE if one.split()[0] not in directives)))


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def listen(port: int | None, board: Board) -> Server:
    """A server at `port`, or at the first that is free.  Raises `ArchvizError`."""
    for number in range(FIRST, FIRST + TRIED) if port is None else (port,):
        try:
            return Server(number, board)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            if error.errno == errno.EADDRINUSE:
                raise ArchvizError(f"port {port} is in use", "name another one, or leave --port out for the next "
                                   "that is free") from None
            raise ArchvizError(f"cannot listen at {HOST}:{number}: {error.strerror}",
                               "name another port, as in --port 8421") from None
    raise ArchvizError(f"all ports from {FIRST} to {FIRST + TRIED - 1} are in use", "name a free one: --port N")
