"""The page in which everything opens, driven as a reader does it: real clicks and keys in Chromium, from a disk."""
from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from archviz import draw
from tests.conftest import Run
from tests.eyes import contrast

MODEL = '''
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, inner, 3, padding=1), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, width, 1)

    def forward(self, x):
        return torch.relu(x + self.conv2(torch.relu(self.bn1(self.conv1(x)))))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.layer1 = nn.Sequential(Block(16, 8), Block(16, 64))
        self.layer2 = nn.Sequential(Block(16, 24), Block(16, 512))
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(self.stem(x))).mean((2, 3)))

example_inputs = (torch.zeros(1, 3, 32, 32),)
'''
EVIL = "<img src=x onerror=alert(1)>"
HOSTILE = f'''
import torch
from torch import nn

class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module({EVIL!r}, nn.Linear(4, 5))
        self.add_module("__proto__", nn.Linear(5, 6))
        self.add_module("constructor", nn.Linear(6, 7))

    def forward(self, x):
        for part in self.children():
            x = torch.sin(part(x))
        return x

Inner.__name__ = "</script><script>alert(2)</script>"

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("]]>{{{{data}}}}&quot;'", Inner())

    def forward(self, x):
        return next(self.children())(x)

Net.__name__ = "<svg onload=alert(3)>"
example_inputs = (torch.zeros(1, 4),)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its trace, and its page."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "model.py").write_text(MODEL)
    draw(str(folder / "model.py")).save(str(folder / "graph.json"))
    draw(str(folder / "graph.json")).save(str(folder / "fig.html"))
    return folder


class Reader:
    """A page in a window, and what a reader does with it."""

    def __init__(self, browser: Browser, path: Path, after: str = "", **how: Any) -> None:
        self.asked: list[str] = []
        self.said: list[str] = []
        usual: dict[str, Any] = {"viewport": {"width": 1300, "height": 900}, "reduced_motion": "reduce"}
        self.context = browser.new_context(**usual | how)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.url = path.as_uri()
        self.page.goto(self.url + after)
        self.data = json.loads(self.page.locator("#data").text_content() or "")

    @property
    def things(self) -> dict[str, Any]:
        return dict(self.data["things"])

    def thing(self, key: str) -> Locator:
        return self.page.locator(f"[data-thing={json.dumps(key)}]")

    def shown(self) -> set[str]:
        return set(self.page.evaluate("[...document.querySelectorAll('[data-thing]')].map(g => g.dataset.thing)"))

    def marked(self, name: str) -> set[str]:
        found = self.page.evaluate(f"[...document.querySelectorAll('.{name}[data-thing]')].map(g => g.dataset.thing)")
        return set(found)

    def box(self, key: str) -> dict[str, float]:
        found = self.thing(key).bounding_box()
        assert found is not None
        return dict(found)

    def picture(self) -> str:
        return str(self.page.evaluate("document.getElementById('drawn').outerHTML"))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def settled(self) -> None:
        """Past the moment in which the address follows."""
        self.page.wait_for_timeout(320)

    def hash(self) -> str:
        self.settled()
        return str(self.page.evaluate("location.hash"))

    def saved(self, button: str = "#save-svg") -> bytes:
        with self.page.expect_download() as download:
            self.page.click(button)
        return Path(download.value.path()).read_bytes()

    def close(self) -> None:
        foreign = [url for url in self.asked if not url.startswith((self.url, "blob:", "data:"))]
        self.context.close()
        assert not foreign and not self.said


@pytest.fixture
def reader(browser: Browser, folder: Path) -> Iterator[Reader]:
    reader = Reader(browser, folder / "fig.html")
    yield reader
    reader.close()


def fills(reader: Reader, key: str) -> tuple[str, set[str]]:
    """The colour of a box, and those of the words on it."""
    box, words = reader.page.evaluate("""g => [
        [...g.querySelectorAll('path')].map(p => p.closest('[fill]').getAttribute('fill')).find(f => f[0] == '#') || '',
        [...g.querySelectorAll('text')].map(t => t.closest('[fill]').getAttribute('fill'))]""",
        reader.thing(key).element_handle())
    return box, set(words)


def ids(things: dict[str, Any], opens: bool) -> list[str]:
    return [key for key, thing in things.items() if thing["opens"] == opens]


# ---------------------------------------------------------------------------------------------- opening

def test_to_the_last_operation_and_back_is_the_same_picture(reader):
    before, file = reader.picture(), reader.saved()
    reader.press("a")
    assert reader.shown() == set(reader.things) and reader.picture() != before
    reader.press("r")
    assert reader.picture() == before and reader.saved() == file
    reader.press("c")
    assert reader.shown() == {key for key, thing in reader.things.items() if thing["plate"] == ""}


def test_clicks_open_and_close_in_place(reader):
    reader.press("c")
    closed = reader.picture()
    opened = []
    while key := next((one for one in ids(reader.things, True) if one in reader.shown() and one not in opened), None):
        reader.press("f", "Escape")
        box = reader.box(key)
        x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"]
        reader.page.mouse.click(x, y)
        now = reader.box(key)
        assert now["height"] > box["height"] and reader.thing(key).get_attribute("aria-expanded") == "true"
        assert (x - now["x"]) / now["width"] == pytest.approx(0.3, abs=0.05)
        assert (y - now["y"]) / now["height"] == pytest.approx(0.6, abs=0.05)
        opened.append(key)
    assert reader.shown() == set(reader.things) and opened == sorted(opened, key=list(reader.things).index)
    for key in reversed(opened):
        reader.press("f", "Escape")
        box = reader.box(key)
        reader.page.mouse.click(box["x"] + 3, box["y"] + 3)     # its ground
        assert reader.thing(key).get_attribute("aria-expanded") == "false"
    reader.press("Escape")
    assert reader.picture() == closed


def test_what_opens_glides_unless_the_reader_wants_it_still(browser, folder):
    reader = Reader(browser, folder / "fig.html", reduced_motion="no-preference")
    still = "() => !document.querySelector('#drawn > [opacity]')"
    opened = "key => document.querySelector(`[data-thing=${key}]`).getAttribute('aria-expanded') === 'true'"
    closed = "key => document.querySelector(`[data-thing=${key}]`)?.getAttribute('aria-expanded') === 'false'"
    reader.press("c")
    reader.page.wait_for_function(closed, arg="layer1")     # a press is answered in the next frame
    reader.page.wait_for_function(still)
    reader.page.evaluate("""() => {
        window.glided = false;
        const look = () => { window.glided ||= document.querySelector("#drawn > [opacity]") !== null; };
        new MutationObserver(look).observe(document.getElementById("drawn"), {childList: true});
    }""")
    reader.thing("layer1").click()
    reader.page.wait_for_function("() => window.glided")
    reader.page.wait_for_function(opened, arg="layer1")
    reader.page.wait_for_function(still)
    box = reader.box("layer1")
    reader.thing("layer2").click()
    reader.page.mouse.wheel(0, -120)            # who goes on in the middle of it finds all in its place
    reader.page.wait_for_function(opened, arg="layer2")
    reader.page.wait_for_function(still)
    assert reader.box("layer1")["y"] > box["y"]
    reader.press("c")
    reader.page.wait_for_function(closed, arg="layer2")
    reader.page.wait_for_function(still)
    reader.thing("layer2").dblclick()
    reader.page.wait_for_function("() => parseInt(document.querySelector('#scale').textContent) > 300")
    reader.page.wait_for_function("""() => {
        const [thing, stage] = [document.querySelector("[data-thing=layer2]"), document.getElementById("stage")]
            .map(one => one.getBoundingClientRect());
        return Math.abs(thing.x + thing.width / 2 - stage.x - stage.width / 2) < 9;
    }""")
    reader.page.wait_for_function(opened, arg="layer2")
    reader.close()


def test_back_and_forward_undo_and_redo_what_was_opened(reader):
    reader.press("c")
    top = reader.shown()
    reader.press("e")
    second = reader.shown()
    assert len(second) > len(top)
    reader.press("e")
    reader.page.go_back()
    reader.page.wait_for_function("n => document.querySelectorAll('[data-thing]').length == n", arg=len(second))
    reader.page.go_back()
    reader.page.wait_for_function("n => document.querySelectorAll('[data-thing]').length == n", arg=len(top))
    reader.page.go_forward()
    reader.page.wait_for_function("n => document.querySelectorAll('[data-thing]').length == n", arg=len(second))
    assert reader.shown() == second


# ---------------------------------------------------------------------------------------------- finding, telling

@pytest.mark.parametrize(("query", "fits"), [
    ("layer2.*.conv2", lambda key, one: bool(re.fullmatch(r"layer2\..*\.conv2", one["path"]))),
    (">5K params block", lambda key, one: one["params"] > 5000 and "Block" in one["label"] + one["op"]),
    ("8x16x16", lambda key, one: "8×16×16" in one["out"] + one["in"])])
def test_search(reader, query, fits):
    reader.press("c", "/")
    reader.page.keyboard.type(query)
    wanted = {key for key, one in reader.things.items() if fits(key, one)}
    said = reader.page.locator("#count").inner_text()
    assert said == ("1 hit" if len(wanted) == 1 else f"{len(wanted)} hits")
    assert reader.page.locator("#hits [role=option]").count() == len(wanted)
    if not wanted:
        return
    reader.press("ArrowDown", "Enter")
    [now] = reader.marked("selected")
    assert now in wanted and now in reader.marked("hit") and reader.page.locator("#hits").is_hidden()
    box, stage = reader.box(now), reader.page.locator("#stage").bounding_box()
    assert stage and stage["x"] < box["x"] + box["width"] / 2 < stage["x"] + stage["width"]
    assert stage["y"] < box["y"] + box["height"] / 2 < stage["y"] + stage["height"]
    reader.press("Enter")
    assert len(wanted) == 1 or reader.marked("selected") <= wanted - {now}
    reader.press("Escape")
    assert reader.page.locator("#query").input_value() == "" and not reader.marked("hit")


def test_the_card_tells_everything_and_stays_in_the_window(reader):
    reader.press("a", "f")
    for key in ids(reader.things, False)[::3]:
        thing = reader.things[key]
        box = reader.box(key)
        reader.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        card = reader.page.locator("#card")
        card.get_by_text(thing["label"] or thing["op"], exact=True).first.wait_for()
        told, place = card.inner_text(), card.bounding_box()
        assert all(name in told and str(value) in told for name, value in thing["facts"])
        assert thing["out"] in told and (not thing["params"] or "parameters" in told)
        assert place and place["x"] >= 0 and place["y"] >= 0
        assert place["x"] + place["width"] <= 1300 and place["y"] + place["height"] <= 900
    conv = reader.things["stem"]
    facts = dict(map(tuple, conv["facts"]))
    assert facts["kernel size"] == facts["receptive field"] == "3×3" and conv["params"] == 448
    block = next(one for one in reader.things.values() if one["op"] == "Block")
    assert dict(map(tuple, block["facts"]))["source"] == "model.py:11"       # its forward
    reader.page.mouse.move(2, 2)
    reader.thing("stem").click()
    reader.press("i")
    assert "pinned" in (reader.page.locator("#card").get_attribute("class") or "")
    reader.press("Escape")
    assert reader.page.locator("#card").is_hidden()


def test_the_path_of_a_thing_to_the_inputs_and_the_outputs(reader):
    reader.press("a", "f")
    key = next(key for key in ids(reader.things, False) if key.startswith("layer1.1.conv2"))
    before, after = reached(reader.data["edges"], key, 0), reached(reader.data["edges"], key, 1)
    reader.thing(key).click()
    assert reader.marked("selected") == {key}
    leaves = set(ids(reader.things, False))
    assert reader.marked("up") & leaves == before and reader.marked("down") & leaves == after
    assert reader.marked("dim") & leaves == leaves - before - after - {key}
    assert before and after and reader.page.locator(".link.up").count() and reader.page.locator(".link.down").count()
    # The way around it is on neither path: the skip connection of its own block.
    assert reader.page.locator(".link.dim").count()
    reader.press("Escape")
    assert not reader.marked("up") | reader.marked("down") | reader.marked("dim")


def reached(edges: list[list[str]], key: str, way: int) -> set[str]:
    """All that lies before (0) or after (1) `key`."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        here = waiting.pop()
        for edge in edges:
            if edge[1 - way] == here and edge[way] not in found:
                found.add(edge[way])
                waiting.append(edge[way])
    return found


def test_the_minimap_shows_where_one_is_and_leads_there(reader):
    reader.press("a", "f")
    assert reader.page.locator("#minimap").is_hidden()
    reader.press(*["+"] * 8)
    place, frame = reader.page.locator("#minimap").bounding_box(), reader.page.locator("#frame")
    assert place and frame.is_visible()
    reader.page.mouse.click(place["x"] + 2, place["y"] + 2)
    corner = frame.bounding_box()
    assert corner and abs(corner["x"] - place["x"]) < 3 and abs(corner["y"] - place["y"]) < 3
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    before = reader.page.locator("#world").get_attribute("transform")
    reader.page.mouse.move(x, y)
    reader.page.mouse.down()
    reader.page.mouse.move(x + 9, y + 9, steps=3)
    reader.page.mouse.up()
    assert reader.page.locator("#world").get_attribute("transform") != before


# ---------------------------------------------------------------------------------------------- colours, files

@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_grow_with_what_they_show_and_words_stay_legible(browser, folder, theme):
    reader = Reader(browser, folder / "fig.html", color_scheme=theme)
    reader.press("a", "f")
    assert reader.page.locator("html").get_attribute("data-theme") == theme
    for digit, amount in enumerate(("kind", "params", "macs", "memory"), 1):
        reader.press(str(digit))
        assert reader.page.locator("#modes [aria-checked=true]").get_attribute("data-value") == amount
        seen = {key: fills(reader, key) for key in ids(reader.things, False)}
        assert min(contrast(box, ink) for box, inks in seen.values() if box for ink in inks) >= 4.5, amount
        if amount == "kind":
            names = reader.page.locator("#key li").all_inner_texts()
            assert names == [entry["name"] for entry in reader.data["legend"]]
            continue
        some = sorted((reader.things[key][amount], box) for key, (box, _) in seen.items()
                      if box and reader.things[key][amount])
        grounds = [contrast(box, "#ffffff") for _, box in some]
        assert grounds == sorted(grounds, reverse=theme == "dark") and len(set(grounds)) > 2
        assert reader.page.locator("#key .ramp text").count() >= 2
    reader.close()


def test_a_kind_of_the_legend_is_shown(reader):
    reader.press("a", "f")
    entry = next(entry for entry in reader.data["legend"] if "conv" in entry["roles"])
    reader.page.locator("#key button", has_text=entry["name"]).click()
    leaves = ids(reader.things, False)
    assert reader.marked("dim") & set(leaves) == {key for key in leaves if reader.things[key]["role"] != "conv"}
    reader.page.locator("#key button", has_text=entry["name"]).click()
    assert not reader.marked("dim")


def test_what_is_saved_is_what_the_command_line_writes(reader, folder, run: Run):
    for keys in ("r",), ("a",), ("c", "e"):
        reader.press(*keys)
        file = reader.saved()
        command = shlex.split(reader.page.locator("#same").input_value())
        assert command[0] == "archviz"
        done = run(*command[1:], "--quiet", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert (folder / command[-1]).read_bytes() == file
    paper = shlex.split(reader.page.locator("#fitted").input_value())
    assert run(*paper[1:-1], "paper.svg", "--quiet", cwd=folder).returncode == 0
    assert (folder / "paper.svg").stat().st_size > 1000


def test_the_picture_has_two_pixels_for_one(reader):
    png = reader.saved("#save-png")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width = re.search(rb'width="([\d.]+)mm"', reader.saved())
    assert width and int.from_bytes(png[16:20], "big") == pytest.approx(2 * float(width[1]) / 25.4 * 96, abs=3)


def test_a_command_is_copied(browser, folder):
    reader = Reader(browser, folder / "fig.html", permissions=["clipboard-read", "clipboard-write"])
    reader.page.click("[data-copy=same]")
    reader.page.get_by_text("Copied", exact=True).first.wait_for()
    assert reader.page.evaluate("navigator.clipboard.readText()") == reader.page.locator("#same").input_value()
    reader.close()


# ---------------------------------------------------------------------------------------------- safe, shared, by hand

def test_the_policy_lets_only_its_own_scripts_run(folder):
    page = (folder / "fig.html").read_text("utf-8")
    assert page.count("Content-Security-Policy") == page.count("</body>") == 1
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert all(re.fullmatch(r"'sha256-[\w+/]+='", rules[f"{what}-src"]) for what in ("script", "style"))
    assert rules["img-src"] == "data: blob:"
    assert not re.search(r"\s(on\w+|style)=", page.partition("<noscript>")[0])


def test_a_hostile_model_runs_no_script_and_shows_as_text(browser, tmp_path):
    (tmp_path / "model.py").write_text(HOSTILE)
    draw(str(tmp_path / "model.py"), title="<script>alert(4)</script>").save(str(tmp_path / "fig.html"))
    reader = Reader(browser, tmp_path / "fig.html")
    reader.press("a", "f")
    assert reader.page.locator("h1").inner_text() == reader.data["title"] and "<" in reader.data["title"]
    evil = next(key for key in reader.things if EVIL in key)
    reader.thing(evil).click()
    assert EVIL in reader.page.locator("#selection").inner_text()
    assert len([key for key in reader.things if re.search("__proto__|constructor", key)]) >= 2
    reader.press("i")
    assert EVIL in reader.page.locator("#card").inner_text()
    reader.press("Escape", "/")
    reader.page.keyboard.type("onerror")
    assert EVIL in reader.page.locator("#hits").inner_text()
    reader.press("Enter")
    again = Reader(browser, tmp_path / "fig.html", reader.hash())
    assert again.marked("selected") == reader.marked("selected")
    for one in (reader, again):
        assert one.page.locator("img, script").count() == 2        # the data and the page's own
        one.close()


def test_a_link_shares_the_view(browser, reader, folder):
    reader.press("c")
    reader.thing("layer1").click()
    reader.press("ArrowDown", "+", "3", "/")
    reader.page.keyboard.type("conv")
    reader.press("Escape")
    reader.page.locator("#themes [data-value=dark]").click()
    shared = Reader(browser, folder / "fig.html", reader.hash())
    assert shared.picture() == reader.picture() and shared.marked("hit") == reader.marked("hit") != set()
    assert shared.page.locator("html").get_attribute("data-theme") == "dark"
    places = [one.page.locator("#world").get_attribute("transform") or "" for one in (shared, reader)]
    here, there = ([float(number) for number in re.findall(r"[-\d.]+", place)] for place in places)
    assert here == pytest.approx(there, abs=0.01)
    before = shared.picture()
    shared.page.reload()
    assert shared.picture() == before
    shared.close()


def test_everything_by_keyboard(reader):
    said = reader.page.locator("#said")
    reader.press("c", "Tab")
    assert reader.page.evaluate("document.activeElement.id") == "canvas"
    order = []
    for _ in range(20):
        reader.press("Tab")
        if reader.page.evaluate("document.activeElement.id") != "canvas":
            break
        [key] = reader.marked("selected")
        order.append(key)
    top = [key for key, thing in reader.things.items() if thing["plate"] == ""]
    assert order == top                             # and then the drawing is left
    reader.page.locator("#canvas").focus()
    reader.press("Escape", "Home")
    while reader.marked("selected") != {"layer1"}:
        reader.press("]")
    reader.press("Enter")
    inside = {key for key, thing in reader.things.items() if thing["plate"] == "layer1"}
    assert inside <= reader.shown() and "layer1 opened" in said.inner_text().lower()
    reader.press("]")
    [first] = reader.marked("selected")
    assert first in inside
    reader.press("Shift+Enter")
    assert {key for key in reader.things if reader.things[key]["plate"].startswith(first)} <= reader.shown()
    place = reader.box(first)
    reader.press("Backspace")
    assert reader.marked("selected") == {"layer1"} and not inside & reader.shown() and place
    reader.press(" ", " ", "T")
    assert reader.marked("up") and reader.marked("down")
    reader.press("?")
    assert reader.page.locator("#help").is_visible()
    reader.press("Escape")
    assert reader.page.locator("#help").is_hidden()
    tree = reader.page.locator("#canvas")
    assert tree.get_attribute("role") == "tree" and reader.data["caption"] in (tree.get_attribute("aria-label") or "")
    active = tree.get_attribute("aria-activedescendant")
    assert reader.page.locator(f"#{active}").get_attribute("data-thing") == "layer1"


def test_on_a_phone(browser, folder):
    reader = Reader(browser, folder / "fig.html", viewport={"width": 360, "height": 740}, has_touch=True,
                    is_mobile=True)
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert reader.page.locator("#side").is_hidden()
    reader.press("c")
    reader.thing("layer1").tap()
    assert reader.thing("layer1").get_attribute("aria-expanded") == "true"
    reader.page.locator("#shelf").tap()
    panel = reader.page.locator("#side").bounding_box()
    assert panel and panel["width"] == 360 and panel["y"] > 100
    reader.page.locator("#save-svg").scroll_into_view_if_needed()
    assert b"<svg" in reader.saved()
    reader.page.locator("#shelf").tap()
    assert reader.page.locator("#side").is_hidden()
    reader.close()


def test_without_scripts_the_page_shows_the_paper_figure(browser, folder):
    page: Page = browser.new_page(java_script_enabled=False)
    page.goto((folder / "fig.html").as_uri())
    figure = page.locator("noscript svg")
    assert figure.is_visible() and figure.locator("[data-node=stem]").count() == 1
    page.close()
