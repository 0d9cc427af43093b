/* Everything by keyboard.
   In: `app`.  Out: nothing; calls its functions.  `Keys.HELP` is what `?` shows. */
"use strict";

const Keys = {
  STEP: 80,           // pixels
  HELP: [
    ["← ↑ → ↓", "the nearest box that way; with nothing selected, or with Shift: pan"],
    ["Tab, Shift Tab", "next and previous box along the data flow; Esc, then Tab, leaves the drawing"],
    ["[ and ]", "previous and next in the order of the trace, also into what is open"],
    ["Enter, Space", "open or close"],
    ["Shift Enter", "open to the last operation; one level more in an open frame"],
    ["Backspace, U", "close what the selection stands in"],
    ["E, Shift E", "open, close one level everywhere"],
    ["A, C, R", "open all, close all, as on paper"],
    ["T", "path from the inputs and to the outputs"],
    ["I", "all that is known of the selection, pinned"],
    ["Z", "zoom to the selection"],
    ["+, -, F or 0", "zoom in, zoom out, all of it"],
    ["/, Ctrl F, Ctrl K", "search"],
    ["N, Shift N", "next, previous hit"],
    ["1 2 3 4", "colours: kind, parameters, MACs, memory"],
    ["P, D", "panel, light or dark"],
    ["Esc", "nothing is selected"],
    ["Click", "open or close; Shift: to the last operation; Alt: select only; twice: zoom to it"],
  ],

  make(app) {
    const { at, canvas, model, state } = app, { svg } = canvas;
    const [list] = at("help").getElementsByTagName("dl");
    for (const [keys, told] of Keys.HELP) {
      const dt = list.appendChild(document.createElement("dt")), dd = list.appendChild(document.createElement("dd"));
      dt.appendChild(document.createElement("kbd")).textContent = keys;
      dd.textContent = told;
    }

    const shown = () => model.order.filter(id => canvas.item(id));
    const first = () => shown()[0];
    const select = id => {
      if (id) app.select(id, { into: true });
    };
    /* The next or previous thing on the page; false at either end. */
    const along = (step, frames) => {
      const ids = frames ? shown() : shown().filter(id => canvas.item(id).what === "node" || id === state.selected);
      const next = state.selected ? ids[ids.indexOf(state.selected) + step] : step > 0 ? ids[0] : ids[ids.length - 1];
      if (next === undefined) return false;
      select(next);
      return true;
    };
    /* The nearest box in a direction, what is wired to the selection first. */
    const towards = (dx, dy) => {
      const from = canvas.item(state.selected);
      if (!from) return select(first());
      const wired = new Set();
      for (const item of canvas.arrangement.placed) {
        if (item.src === state.selected) wired.add(item.dst);
        if (item.dst === state.selected) wired.add(item.src);
      }
      const cx = from.x + from.width / 2, cy = from.y + from.height / 2;
      let best = "", least = Infinity;
      for (const item of canvas.arrangement.placed) {
        if ((item.what !== "node" && item.what !== "frame") || item.node === state.selected) continue;
        if (item.what === "frame" && (model.ancestors(state.selected).includes(item.node) || state.open.has(item.node))) continue;
        const x = item.x + item.width / 2 - cx, y = item.y + item.height / 2 - cy;
        const ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
        const over = dx ? Math.min(item.y + item.height, from.y + from.height) - Math.max(item.y, from.y)
          : Math.min(item.x + item.width, from.x + from.width) - Math.max(item.x, from.x);
        if (ahead < 1 || (over < 0 && aside > 2 * ahead)) continue;
        const far = (ahead + 2 * aside) * (wired.has(item.node) ? 0.5 : 1);
        if (far < least) [best, least] = [item.node, far];
      }
      return select(best);
    };
    const arrow = (dx, dy) => event => {
      if (event.shiftKey || !state.selected) app.pan(-dx * Keys.STEP, -dy * Keys.STEP);
      else towards(dx, dy);
    };

    const inside = {                        // only while the drawing has the focus
      ArrowLeft: arrow(-1, 0), ArrowRight: arrow(1, 0), ArrowUp: arrow(0, -1), ArrowDown: arrow(0, 1),
      Tab: event => along(event.shiftKey ? -1 : 1, false),
      Home: () => select(first()),
      End: () => select(shown().pop()),
      Enter: event => open(event),
      " ": event => open(event),
      Backspace: () => up(),
    };
    const anywhere = {
      "[": () => along(-1, true), "]": () => along(1, true),
      u: () => up(), e: event => (event.shiftKey ? app.shallower() : app.deeper()), a: () => app.everything(), c: () => app.closed(),
      r: () => app.paper(), t: () => app.trace(), i: () => app.card.pin(), z: () => app.zoom_to(state.selected), f: () => app.fit(), 0: () => app.fit(),
      "+": () => app.zoom(1.25), "=": () => app.zoom(1.25), "-": () => app.zoom(0.8), _: () => app.zoom(0.8),
      n: event => app.next_hit(event.shiftKey ? -1 : 1), "/": () => app.find(), "?": () => at("help").showModal(),
      1: () => app.colours("kind"), 2: () => app.colours("params"), 3: () => app.colours("macs"), 4: () => app.colours("memory"),
      p: () => app.shelf(at("side").classList.contains("shut")), d: () => app.theme(app.look.dark ? "light" : "dark"),
      Escape: () => {
        if (app.card.pinned) app.card.pin();
        else if (state.query) app.find("");
        else app.clear();
      },
    };
    const open = event => {
      if (!state.selected) return select(first());
      if (!model.things.get(state.selected).opens) return app.say("This does not open");
      return app.toggle(state.selected, { all: event.shiftKey });
    };
    const up = () => {
      const parent = state.selected && model.parent(state.selected);
      if (!parent) {
        app.say("There is nothing around it");
        return;
      }
      const anchor = app.anchor(parent), next = new Set(state.open);
      next.delete(parent);
      app.open(next, { anchor, words: `${app.called(parent)} closed`, then: () => app.show(parent) });
    };

    svg.addEventListener("focus", () => {
      if (!state.selected && svg.matches(":focus-visible")) app.say(`${svg.getAttribute("aria-label")}. Tab or arrows move, question mark shows all keys`);
    });
    addEventListener("keydown", event => {
      const field = event.target.matches?.("input, textarea"), letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      if ((event.ctrlKey || event.metaKey) && (letter === "f" || letter === "k")) {
        event.preventDefault();
        app.find();
        return;
      }
      if (field || event.ctrlKey || event.metaKey || event.altKey || at("help").open) return;
      const on_button = event.target.matches?.("button, a, [role=radio]");
      const act = event.target === svg && Object.hasOwn(inside, event.key) ? inside[event.key]
        : Object.hasOwn(anywhere, letter) && !(on_button && (letter === " " || letter === "Enter")) ? anywhere[letter] : null;
      if (!act) return;
      if (act(event) !== false) event.preventDefault();
    });
  },
};
