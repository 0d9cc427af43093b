"""``archviz serve`` as a user runs it: a process, a browser, an editor that saves; and those who should get nothing."""
from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from archviz.apps.serve.answer import died
from archviz.apps.serve.live import allowing, blank, live
from archviz.apps.serve.watch import GONE, QUIET, Watch
from archviz.core import graph_json
from archviz.core.graph import Edge, Graph, Node, TensorSpec
from tests.conftest import ROOT, Run

PATIENCE = 60       # seconds that a slow machine may take for what is awaited
expect.set_options(timeout=PATIENCE * 1000)

MODEL = """
import torch
from torch import nn
from parts import WIDTH

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.second = nn.Linear(8, WIDTH)

    def forward(self, x):
        x = self.first(x)
        return self.second(x)

example_inputs = torch.zeros(1, 4)
"""


class Serving:
    """A running ``archviz serve``: its `address`, and what it has `said`."""

    def __init__(self, folder: Path, *arguments: str, port: str = "0") -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "archviz", "serve", "--no-browser", "--port", port, *arguments], cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": "",
                 "OMP_NUM_THREADS": "1", "TMPDIR": str(self.temporary)})
        assert self.process.stdout is not None and self.process.stderr is not None
        self.address = self.process.stdout.readline().strip()
        self.said: list[str] = []
        self.reader = threading.Thread(target=self.said.extend, args=(self.process.stderr,), daemon=True)
        self.reader.start()

    @property
    def port(self) -> int:
        return int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=[\w-]{43}", self.address)[1])  # type: ignore[index]

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={"Host": f"127.0.0.1:{self.port}", **headers})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def drawn(self) -> int:
        """How often it has drawn."""
        return sum(": drawn in" in line for line in self.said)

    def processes(self) -> set[int]:
        """Those that it has begun and that are there."""
        found = subprocess.run(["ps", "-ww", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
        return {int(line.split()[0]) for line in found.splitlines()
                if str(self.temporary) in line and not line.split()[1].startswith("Z")}

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code


def wait_for(condition: Callable[[], Any]) -> Any:
    """What `condition` gives, once it gives something."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def save(path: Path, content: str) -> None:
    """As an editor does: another file in the place of the old one."""
    fresh = path.with_name(f".{path.name}.swp")
    fresh.write_text(content, "utf-8")
    fresh.replace(path)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    running: list[Serving] = []

    def start(*arguments: str, **how: str) -> Serving:
        running.append(Serving(tmp_path, *arguments, **how))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def opened(browser: Browser, serving: Serving, hash: str = "") -> tuple[Page, list[str]]:
    """The page, and what it complains of."""
    page, complaints = browser.new_page(viewport={"width": 700, "height": 300}), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.goto(serving.address + hash)
    return page, complaints


def graph(*names: str) -> str:
    """A saved graph of one layer after the other."""
    spec = TensorSpec((1, 8), axes="NC")
    nodes = [Node("/in:x", (), "input", "input", out=(spec,)),
             *(Node(name, (), name.title(), "linear", {"label": name}, (spec,)) for name in names),
             Node("/out:0", (), "output", "output")]
    chain = [node.id for node in nodes]
    numbered = tuple(Node(n.id, n.scope, n.op, n.kind, n.attrs, n.out, index=i) for i, n in enumerate(nodes))
    return graph_json.to_json(Graph("Saved", numbered, tuple(
        Edge(a, b, spec) for a, b in zip(chain, chain[1:], strict=False)), {}))


# ------------------------------------------------------------------------------------------------ save and see

def test_what_is_saved_is_seen(browser, serve, tmp_path):
    model, parts = tmp_path / "model.py", tmp_path / "parts.py"
    save(parts, "WIDTH = 5\n")
    save(model, MODEL.replace("return self.second(x)", "return self.second(x"))
    serving = serve("model.py", "--time-limit", "30")
    page, complaints = opened(browser, serving, "#open=first&zoom=2")
    panel, figure = page.locator("#mistake"), page.locator("[data-node=second]").first

    # Broken from the start: a page with only the error, which tells where and shows the line.
    expect(panel).to_contain_text("SyntaxError: '(' was never closed")
    expect(page.locator("#place")).to_have_text("model.py:14")
    expect(page.locator(".at")).to_have_text(re.compile(r"14\s+return self\.second\(x$"))
    expect(page.get_by_role("alert")).to_contain_text("SyntaxError")
    expect(figure).to_have_count(0)
    assert page.title() == "✗ model.py"
    assert page.url == f"http://127.0.0.1:{serving.port}/#open=first&zoom=2", "the token stays in the address"

    # Mended: the figure; what the reader has opened stays in the address.
    save(model, MODEL)
    expect(figure).to_contain_text("linear, 5")
    expect(panel).to_be_hidden()
    page.evaluate("window.before = true")

    # Another file that the model needs, as long as it was and, as far as its time tells to the second, as old.
    written = parts.stat().st_mtime_ns
    fresh = tmp_path / "fresh.py"
    fresh.write_text("WIDTH = 6\n")
    os.utime(fresh, ns=(written, written))
    fresh.replace(parts)
    expect(figure).to_contain_text("linear, 6")
    assert page.evaluate("[location.hash, window.before]") == ["#open=first&zoom=2", None]

    # A model that raises in the middle, with markup: what ran until then, and the error, which stays text.
    hostile = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"
    save(model, MODEL.replace("return self", f"raise ValueError({hostile!r})\n        return self"))
    expect(page.locator("#message")).to_have_text(f"Net raised ValueError: {hostile}")
    expect(page.locator("#place")).to_have_text("model.py:14")
    assert page.locator("#mistake script, #mistake img").count() == 0
    expect(page.locator("[data-node='/failed']").first).to_contain_text("ValueError")
    expect(figure).to_have_count(0)

    # Escape puts the error away, a button brings it.
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.get_by_role("button", name="Show the error").press("Enter")
    expect(panel).to_be_visible()
    page.get_by_role("button", name="Hide the error").click()
    expect(panel).to_be_hidden()

    # A module that is not there yet: the last figure stays.
    save(model, MODEL.replace("from parts", "from others"))
    expect(panel).to_contain_text("No module named 'others'")
    expect(panel).to_contain_text("the last figure that could be drawn")
    expect(page.locator("[data-node=first]").first).to_be_visible()
    save(tmp_path / "others.py", "WIDTH = 9\n")
    expect(figure).to_contain_text("linear, 9")

    # The server ends in silence, and leaves nothing; the page says so.
    said = list(serving.said)
    wait_for(serving.processes)
    assert serving.stop() == 0
    assert serving.said == said
    assert not serving.processes() and not list(serving.temporary.iterdir())
    assert not list(tmp_path.rglob("__pycache__"))
    expect(page.locator("#status")).to_contain_text("archviz serve has stopped")
    assert [line for line in complaints if "ERR_CONNECTION" not in line and "ERR_INCOMPLETE" not in line] == []
    page.close()


def test_a_saved_graph_is_drawn_when_it_is_replaced_and_so_is_a_style(browser, serve, tmp_path):
    saved, style = tmp_path / "graph.json", tmp_path / "mine.yaml"
    save(saved, graph("one"))
    save(style, "extends: block\nroles:\n  linear: {fill: '#123456'}\n")
    serving = serve("graph.json", "--style", "mine.yaml")
    page, complaints = opened(browser, serving)
    expect(page.locator("[data-node=one]").first).to_be_visible()
    saved.unlink()
    expect(page.locator("#mistake")).to_contain_text("cannot read graph.json")
    save(saved, graph("two"))
    expect(page.locator("[data-node=two]").first).to_be_visible()

    # Another space changes nothing that is seen, so the page is not loaded anew; what is wrong with the style is told.
    page.evaluate("window.before = true")
    drawn = serving.drawn()
    save(saved, f"{graph('two')} ")
    wait_for(lambda: serving.drawn() > drawn)
    save(style, "extends: block\nrolse:\n  linear: {fill: '#123456'}\n")
    expect(page.locator("#mistake")).to_contain_text("did you mean roles")
    expect(page.locator("#place")).to_have_text("mine.yaml:2")
    expect(page.locator(".at")).to_contain_text("rolse:")
    assert page.evaluate("window.before")

    # The process that draws crashes, or hangs, here in a form of the user's own; the next save puts an end to it.
    form = tmp_path / "mine.py"
    save(form, "import os\nos.kill(os.getpid(), 11)\n")
    save(style, "extends: block\nform: ./mine.py\n")
    expect(page.locator("#mistake")).to_contain_text("ended by SIGSEGV")
    expect(page.locator("#place")).to_have_text("mine.py:2")
    save(form, "import time\ntime.sleep(1000)\n")
    expect(page.locator("#status")).to_contain_text("drawing …")
    save(tmp_path / "archviz.yaml", "title: From the project\n")
    save(style, "extends: block\n")
    expect(page.get_by_text("From the project. An input of length 8").first).to_be_attached()
    assert complaints == []
    page.close()


def test_what_takes_too_long_is_stopped_and_where_it_stood_is_told(serve, tmp_path):
    save(tmp_path / "graph.json", graph("one"))
    save(tmp_path / "mine.yaml", "extends: block\nform: ./mine.py\n")
    save(tmp_path / "mine.py", "import os\nwhile True:\n    os.getpid()\n")
    serving = serve("graph.json", "--style", "mine.yaml", "--time-limit", "3", "--quiet")
    told = wait_for(lambda: [line for line in serving.said if "graph.json was not drawn within 3 s" in line])
    assert re.search(r"error: mine\.py:[23]: graph\.json", told[0])
    assert serving.stop(signal.SIGTERM) == 0
    assert len(serving.said) == 2 and serving.said[1].startswith("  save it again"), "--quiet says only errors"
    assert not serving.processes() and not list(serving.temporary.iterdir())


def test_nothing_is_left_of_a_server_that_is_killed(serve, tmp_path):
    save(tmp_path / "parts.py", "WIDTH = 5\n")
    save(tmp_path / "model.py", MODEL.replace("x = self.first(x)", "import time; time.sleep(1000)"))
    serving = serve("model:Net")
    wait_for(serving.processes)
    serving.stop(signal.SIGKILL)
    wait_for(lambda: not serving.processes())


# ------------------------------------------------------------------------------------------------ who may ask

def test_only_who_has_the_token_gets_something(serve, tmp_path):
    save(tmp_path / "graph.json", graph("one"))
    serving = serve("graph.json")
    status, headers, body = serving.ask(f"/?token={serving.token}")
    assert status == 200 and b"<html" in body
    cookie = headers["Set-Cookie"]
    assert cookie == f"archviz-{serving.port}={serving.token}; Path=/; HttpOnly; SameSite=Strict"
    cookie = cookie.partition(";")[0]
    assert "script-src 'sha256-" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"].partition("script-src")[2].partition(";")[0]
    safe = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
    assert safe.items() <= headers.items()

    other = f"archviz-{serving.port}={'x' * 43}"
    for path, sent in (("/", {}), ("/events", {}), ("/?token=", {}), ("/?token=" + "x" * 43, {}),
                       ("/?token=%ff%00é", {}), (f"/?token={serving.token}&token=x", {}),
                       (f"/events?token={serving.token}", {}), ("/", {"Cookie": other}), ("/", {"Cookie": ";;=\"é"}),
                       ("/", {"Cookie": f"archviz-1={serving.token}"}), ("/etc/passwd", {}),
                       ("/", {"Cookie": cookie, "Host": "evil.example"}), ("/", {"Cookie": cookie, "Host": "[::1"}),
                       (f"/?token={serving.token}", {"Host": f"127.0.0.1.evil.example:{serving.port}"})):
        status, headers, body = serving.ask(path.encode("latin-1").decode("latin-1") if path.isascii() else
                                            path.replace("é", "%E9"), **{k: v.encode("latin-1").decode("latin-1")
                                                                         for k, v in sent.items()})
        assert status == 403, (path, sent)
        assert b"<html" not in body and serving.token.encode() not in body and "Set-Cookie" not in headers
        assert safe.items() <= headers.items()

    assert serving.ask("/", Cookie=cookie)[0] == 200
    assert serving.ask("/", Cookie=cookie, Host=f"localhost:{serving.port}")[0] == 200
    for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"):
        status, headers, _ = serving.ask("/", method, Cookie=cookie)
        assert (status, headers["Allow"]) == (405, "GET"), method
        assert serving.ask("/", method)[0] == 403
    for path in ("/graph.json", "/../graph.json", "/%2e%2e/graph.json", "//etc/passwd", "/events/", "/favicon.ico",
                 "//[", f"/{tmp_path}/graph.json"):
        status, _, body = serving.ask(path, Cookie=cookie)
        assert status == 404 and b"Saved" not in body and b"root" not in body, path


def test_it_listens_on_this_machine_only(serve, tmp_path):
    save(tmp_path / "graph.json", graph("one"))
    serving = serve("graph.json")
    with socket.create_connection(("127.0.0.1", serving.port), PATIENCE):
        pass
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", serving.port), 5):
        pass


def test_who_waits_for_events_is_told_how_things_stand(serve, tmp_path):
    save(tmp_path / "graph.json", "{")
    serving = serve("graph.json")
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=PATIENCE)
    connection.request("GET", "/events", headers={"Cookie": f"archviz-{serving.port}={serving.token}"})
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"

    def next_that(wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for line in answer:
            if line.startswith(b"data: ") and wanted(told := json.loads(line[6:])):
                return told
        raise AssertionError("no more events")

    told = next_that(lambda told: told["error"] is not None)
    assert "is not a graph that archviz wrote" in told["error"]["message"]
    assert told["error"]["hint"] and told["page"] == "" and told["busy"] is None
    save(tmp_path / "graph.json", graph("one"))
    told = next_that(lambda told: told["page"] != "")
    assert told["error"] is None
    connection.close()


# ------------------------------------------------------------------------------------------------ how it is started

def test_a_port_that_is_taken_is_told_or_the_next_is_used(serve, run: Run, tmp_path):
    save(tmp_path / "graph.json", graph("one"))
    first = serve("graph.json")
    refused = run("serve", "graph.json", "--no-browser", "--port", first.port)
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr.startswith(f"archviz: error: port {first.port} is in use\n  name another one")
    busy = [socket.create_server(("127.0.0.1", 8420))] if not _taken(8420) else []
    process = subprocess.Popen([sys.executable, "-m", "archviz", "serve", "graph.json", "--no-browser"], cwd=tmp_path,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    address = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    process.stdout.close()
    assert 8420 < int(re.findall(r":(\d+)/", address)[0]) < 8440
    for one in busy:
        one.close()


def _taken(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("arguments, said", [
    (["modle.py"], "there is no file modle.py\n  did you mean model.py?"),
    (["model.py", "--style", "blok"], "there is no style 'blok'"),
    (["model.py", "--port", "http"], "'http' is no port"),
    (["model.py", "--time-limit", "0"], "'0' is no number of seconds"),
    (["model.py", "other.py"], "add --align"),
    (["model.py", "-o", "x.svg"], "unrecognized arguments: -o x.svg"),
    ([], "MODEL"),
])
def test_a_mistake_on_the_command_line_is_one_clear_line(arguments, said, run: Run, tmp_path):
    save(tmp_path / "model.py", MODEL)
    done = run("serve", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("archviz: error: ") and said in done.stderr and "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------------ the parts

def test_a_change_counts_once_it_has_settled(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    save(one, "a")
    watch = Watch()
    watch.follow((one, two), time.time() - 10, True)
    watch.take()
    assert watch.changed(0) == ()
    save(one, "ab")
    assert watch.changed(1) == ()
    save(one, "abc")                                # it is still being written
    assert watch.changed(1 + QUIET) == ()
    assert watch.changed(1.01 + 2 * QUIET) == (one,)
    watch.take()
    assert watch.changed(2) == ()
    one.unlink()                                    # an editor that removes a file before it writes it
    assert watch.changed(3) == watch.changed(3 + GONE / 2) == ()
    save(one, "abc")                                # and with what it held
    assert watch.changed(4) == watch.changed(5) == ()
    one.unlink()
    assert watch.changed(6) == () and watch.changed(6.01 + GONE) == (one,)
    save(two, "new")
    watch.changed(8)
    assert set(watch.changed(8.01 + GONE)) == {one, two}


def test_a_file_that_may_have_been_read_before_it_was_saved_counts_as_changed(tmp_path):
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    save(old, "a")
    save(new, "a")
    os.utime(old, (1, 1))
    watch = Watch()
    watch.follow((old, new), new.stat().st_mtime - 5, True)
    watch.changed(0)
    assert watch.changed(1) == (new,)
    watch.take()
    watch.follow((new,), new.stat().st_mtime - 5, False)    # which is not new any more
    assert watch.changed(2) == watch.changed(3) == ()
    assert set(watch.seen) == {old, new}
    watch.follow((new,), 0, True)
    assert set(watch.seen) == {new}


def test_a_process_that_ends_without_an_answer_is_told(tmp_path):
    ended = died("model.py", 7, tmp_path).mistake
    assert ended is not None and ended.message == "model.py ended the process that drew it, with exit code 7"
    (tmp_path / "mine.py").write_text("def f():\n    crash()\n\n\n")
    (tmp_path / "stack.txt").write_text(f'Fatal\n  File "{json.__file__}", line 9 in loads\n'
                                        f'  File "{tmp_path}/mine.py", line 2 in f\n')
    killed = died("model.py", -9, tmp_path).mistake
    assert killed is not None and "ended by SIGKILL" in killed.message and "memory" in killed.hint
    assert killed.place == f"{tmp_path}/mine.py:2" and killed.lines == ((1, "def f():"), (2, "    crash()"))


def test_a_policy_allows_our_script_and_nothing_else():
    assert allowing("default-src 'none'", "script-src", "'x'") == "default-src 'none'; script-src 'x'"
    assert allowing("script-src 'none'; img-src data:", "script-src", "'x'") == "script-src 'x'; img-src data:"
    assert allowing("script-src 'sha256-a'", "script-src", "'x'") == "script-src 'sha256-a' 'x'"
    page, policy = live(blank("<b>&'\".py"), "n-1")
    assert page.count(b"<script") == 1 and b"<b>" not in page and b'data-page="n-1"' in page
    assert policy.encode() in page and "connect-src 'self'" in policy
    with pytest.raises(ValueError, match="one content security policy"):
        live(page.replace(b"</body>", b""), "n-2")
