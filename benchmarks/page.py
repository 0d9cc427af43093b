"""The page side by side with its peers: a model of 10,000 operations in Chromium.

``python -m benchmarks.page [--peers SITE-PACKAGES] [-o benchmarks/page.md]`` prints a table.  archviz and torchvista
trace the same model and write a page each; Netron shows an ONNX file of the same operations and edges.  All are looked
at in one Chromium with software rendering, in a window of 1400 × 900, one after the other, with real clicks and a real
wheel or drag; a frame is one of `requestAnimationFrame`, and what opens is timed from the click or key to the first
frame that shows it, the search to the frame in which the window has glided there.  Netron opens all there is at once.

Netron and torchvista are found on the path, or in the folder that ``--peers`` names; a column without its tool is left
out.
"""
from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Browser, sync_playwright
from torch import Tensor, nn

import archviz
from archviz.core.graph import Graph

OPS = {"Conv2d": "Conv", "BatchNorm2d": "BatchNormalization", "relu": "Relu", "add": "Add", "Linear": "Gemm"}
FRAMES = """new Promise(done => { const seen = []; let last = performance.now();
    const step = now => { seen.push(now - last); last = now;
        if (seen.length < 90) requestAnimationFrame(step); else done(seen.slice(2)); };
    requestAnimationFrame(step); })"""
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
TOOK = """void (window.took = new Promise(done => {
    let began = 0;
    for (const type of ["click", "keydown"]) addEventListener(type, () => { began ||= performance.now(); }, true);
    const look = () => began && (%s) ? requestAnimationFrame(() => done(performance.now() - began))
        : requestAnimationFrame(look);
    look(); }))"""
Row = dict[str, float | int | str]
"""Milliseconds, a count, or words."""


class Block(nn.Module):
    """Seven operations; `inner` tells it from all others, so that none are folded."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, 8, 1, bias=False), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class Large(nn.Module):
    """12 groups of 12 stages of 10 blocks: 10,082 operations in 1,597 modules."""

    def __init__(self) -> None:
        super().__init__()
        stages = [[nn.Sequential(*(Block(1 + 120 * g + 10 * s + b) for b in range(10))) for s in range(12)]
                  for g in range(12)]
        self.groups = nn.Sequential(*(nn.Sequential(*group) for group in stages))
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.groups(x).mean((2, 3)))
        return out


class Tab:
    """A page, asked past what it does to `eval`."""

    def __init__(self, browser: Browser) -> None:
        self.page = browser.new_page(viewport={"width": 1400, "height": 900})
        self.cdp = self.page.context.new_cdp_session(self.page)
        self.foreign: list[str] = []
        self.page.on("request", lambda request: self.asked(request.url))

    def asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1")):
            self.foreign.append(url)

    def value(self, script: str) -> Any:
        found = self.cdp.send("Runtime.evaluate", {
            "expression": script, "returnByValue": True, "awaitPromise": True})
        return found["result"].get("value")

    def until(self, condition: str, limit: float = 240) -> float:
        """Milliseconds of the page's clock once `condition` holds and is drawn; NaN where it does not come to that."""
        end = time.monotonic() + limit
        while not self.value(f"Boolean({condition})"):
            if time.monotonic() > end:
                return float("nan")
            time.sleep(0.02)
        return float(self.value(DRAWN))

    def elements(self) -> int:
        return int(self.value("document.querySelectorAll('*').length"))

    def frames(self, gesture: Callable[[], None]) -> str:
        """Frames a second, and the longest, while `gesture` is made."""
        self.value(f"void (window.framesSeen = {FRAMES})")
        gesture()
        seen = sorted(self.value("window.framesSeen"))
        return f"{1000 * len(seen) / sum(seen):.0f} /s, longest {seen[-1]:.0f} ms"

    def wheel(self) -> None:
        self.page.mouse.move(500, 450)
        for i in range(60):
            self.page.mouse.wheel(0, 60 if i < 30 else -60)

    def drag(self) -> None:
        self.page.mouse.move(300, 450)
        self.page.mouse.down()
        for i in range(60):
            self.page.mouse.move(300, 450 + 8 * (i if i < 30 else 60 - i))
        self.page.mouse.up()

    def timed(self, act: Callable[[], None], condition: str) -> float:
        """Milliseconds from the click or the key of `act` to the frame after that in which `condition` holds."""
        self.value(TOOK % condition)
        act()
        return float(self.value("window.took"))

    def click(self, selector: str) -> None:
        """In the middle of it, without waiting for it to stand still."""
        box = self.page.locator(selector).first.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def said(value: float | int | str, ours: float | int | str) -> str:
    """With how many times what we take."""
    if isinstance(value, str):
        return value
    if value != value:
        return "not in 4 minutes"
    times = "" if isinstance(ours, str) or value == ours else f" ({value / ours:.{0 if value > 10 * ours else 1}f}×)"
    if isinstance(value, int):
        return f"{value:,}{times}"
    return f"{value:.0f} ms{times}" if value < 1000 else f"{value / 1000:.1f} s{times}"


def ours(browser: Browser, folder: Path, figure: archviz.Figure) -> Row:
    path = folder / "archviz.html"
    figure.save(path)
    tab = Tab(browser)
    tab.page.goto(path.as_uri() + "#open=", wait_until="commit")
    row: Row = {"size of the file": size(path), "first picture": tab.until("document.querySelector('#drawn > g')"),
           "elements in the document": tab.elements()}
    count = "document.querySelectorAll('[data-thing]').length"
    before = tab.value(count)
    row["open one module"] = tab.timed(lambda: tab.click("[data-thing='groups.0']"), f"{count} > {before}")
    tab.page.wait_for_timeout(500)
    tab.page.keyboard.press("c")
    tab.page.wait_for_timeout(500)
    opened = "location.hash.includes('all=1') && document.querySelector('#dabs > path')"
    row["open everything"] = tab.timed(lambda: tab.page.keyboard.press("a"), opened)
    tab.page.wait_for_timeout(500)
    row["pan, all in the window"] = tab.frames(tab.wheel)
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("groups.6.6.6.conv2")
    hit = "document.querySelector('.item.selected')"
    row["search for one of them, and go there"] = tab.timed(lambda: tab.page.keyboard.press("Enter"), hit)
    tab.page.wait_for_timeout(800)
    row["elements, all open"] = tab.elements()
    row["pan, close up"] = tab.frames(tab.wheel)
    block = "[data-thing='groups.6.6.6']"
    state = f"document.querySelector(\"{block}\").getAttribute('aria-expanded')"
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("u")
    tab.page.wait_for_timeout(800)
    row["open one module, all others open"] = tab.timed(lambda: tab.click(block), f"{state} == 'true'")
    row["requests to other hosts"] = f"{len(tab.foreign)}"
    tab.page.close()
    return row


def netron(browser: Browser, folder: Path, figure: archviz.Figure) -> Row:
    import netron as peer

    path = folder / "netron.onnx"
    onnx(figure.graph, path)
    peer.start(str(path), browse=False, address=("127.0.0.1", 8173))
    tab = Tab(browser)
    tab.page.goto("http://127.0.0.1:8173")
    tab.page.get_by_text("Accept", exact=True).click()          # it asks to report how it is used
    start = float(tab.value("performance.now()"))
    ready = "document.querySelectorAll('.node').length > 10000 && !document.body.classList.contains('spinner')"
    picture = tab.until(ready)
    row: Row = {"size of the file": size(path), "first picture": picture - start,
           "elements in the document": tab.elements(), "elements, all open": tab.elements()}
    row["pan, close up"] = tab.frames(tab.wheel)
    for _ in range(12):
        tab.page.keyboard.press("Control+-")
    tab.page.wait_for_timeout(1000)
    row["pan, all in the window"] = f"{tab.frames(tab.wheel)}, at its smallest"
    row["requests to other hosts"] = f"{len(tab.foreign)}"
    tab.page.close()
    peer.stop(("127.0.0.1", 8173))
    return row


def torchvista(browser: Browser, folder: Path, figure: archviz.Figure) -> Row:
    from torchvista import trace_model

    closed, whole = folder / "torchvista.html", folder / "torchvista-open.html"

    def write() -> None:
        for path, depth in ((closed, 1), (whole, 9)):
            trace_model(Large().eval(), torch.zeros(1, 8, 4, 4), collapse_modules_after_depth=depth,
                        export_path=str(path))

    deep(write)
    tab = Tab(browser)
    tab.page.goto(closed.as_uri(), wait_until="commit")
    nodes = "document.querySelectorAll('svg [class^=node_]').length"
    row: Row = {"size of the file": size(closed), "first picture": tab.until(f"{nodes} > 0"),
           "elements in the document": tab.elements()}
    before = tab.value(nodes)
    row["open one module"] = tab.timed(lambda: tab.click("svg [class^=collapse-button_]"), f"{nodes} != {before}")
    row["requests to other hosts"] = f"{len(tab.foreign)}"
    tab.page.close()
    tab = Tab(browser)
    tab.page.goto(whole.as_uri(), wait_until="commit")
    drawn = tab.until(f"{nodes} > 9000")
    row["open everything"] = drawn
    if drawn == drawn:
        row["elements, all open"] = tab.elements()
        row["pan, all in the window"] = tab.frames(tab.drag)
    tab.page.close()
    return row


def deep(act: Callable[[], None]) -> None:
    """`act` with room for a recursion as deep as the model is long, without which torchvista's tracer fails."""
    before = sys.getrecursionlimit(), threading.stack_size(512 << 20)
    sys.setrecursionlimit(1_000_000)
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    sys.setrecursionlimit(before[0])
    threading.stack_size(before[1])


def onnx(graph: Graph, path: Path) -> None:
    """The operations and edges of `graph` as an ONNX file without weights."""
    from onnx import TensorProto, helper, save

    nodes = [helper.make_node(OPS.get(node.op, "Identity"), [edge.src for edge in graph.incoming[node.id]], [node.id],
                              name=node.id) for node in graph.nodes if node.kind not in ("input", "output")]
    given = [helper.make_tensor_value_info(node.id, TensorProto.FLOAT, [1, 8, 4, 4])
             for node in graph.nodes if node.kind == "input"]
    last = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [1, 10])]
    save(helper.make_model(helper.make_graph(nodes, "Large", given, last)), str(path))


def size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="a folder of packages in which netron, onnx and torchvista are")
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    if options.peers:
        sys.path.append(options.peers)
    figure = archviz.draw(Large().eval(), torch.zeros(1, 8, 4, 4))
    columns: dict[str, Row] = {}
    with sync_playwright() as p, tempfile.TemporaryDirectory() as folder:
        for name, tool in {"archviz": ours, "Netron": netron, "torchvista": torchvista}.items():
            browser = p.chromium.launch(executable_path=shutil.which("chromium"),
                                        args=["--no-sandbox", "--disable-gpu"])
            try:
                columns[name] = tool(browser, Path(folder), figure)
            except ImportError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
            version = browser.version
            browser.close()
    rows = list(dict.fromkeys(key for row in columns.values() for key in row))
    first = next(iter(columns.values()))
    lines = ["# The page", "", " ".join((__doc__ or "").split("\n\n", 1)[1].split()), "",
             f"{len(figure.graph.nodes):,} nodes; Chromium {version}, {platform.machine()}, software rendering.", "",
             f"| | {' | '.join(columns)} |", f"|---{'|---' * len(columns)}|",
             *(f"| {key} | {' | '.join(said(row.get(key, '–'), first.get(key, '')) for row in columns.values())} |"
               for key in rows)]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
