/* The page: one state, and what one can do to it.  Everything the reader does ends in a function of `app`.
   In: the other files.  Out: `App.start()`, at the end of the last file. */
"use strict";

const App = {
  GLIDE: 220,         // milliseconds
  LARGEST: 12,        // pixels a printed point
  SMALLEST: 0.004,
  USUAL: 2.4,         // a small figure is shown so large, not filling the window

  start() {
    const at = id => document.getElementById(id);
    const data = JSON.parse(at("data").textContent), model = Model.load(data), core = Core.load(data);
    const state = State.read(location.hash, data, model);
    const look = Look.make(data, model, state);
    look.element = item => core.element(item);
    const dark = matchMedia("(prefers-color-scheme: dark)"), still = matchMedia("(prefers-reduced-motion: reduce)");
    const app = { at, data, model, core, state, look, hits: [], watchers: [], at_hit: -1, fitted: !state.window };

    app.themed = () => {
      look.dark = state.theme === "auto" ? data.dark || dark.matches : state.theme === "dark";
      document.documentElement.dataset.theme = look.dark ? "dark" : "light";
      at("stage").style.setProperty("--figure", look.ground());
    };
    app.themed();
    const canvas = app.canvas = Canvas.make(core, at("canvas"), look);
    app.motion = () => (still.matches ? 0 : App.GLIDE);
    app.say = words => { at("said").textContent = words; };
    app.called = id => model.things.get(id).label || model.things.get(id).op || id;

    /* ------------------------------------------------------------------ keeping up */

    let saving = 0;
    const remember = push => {
      clearTimeout(saving);
      const { x, y, k } = canvas.view, { width, height } = canvas.bounds;
      state.window = app.fitted ? null : [(width / 2 - x) / k, (height / 2 - y) / k, k];
      const hash = State.write(state, data, model);
      if (hash === (location.hash || "#")) return;
      if (push) history.pushState(null, "", hash);
      else history.replaceState(null, "", hash);
    };
    app.remember = () => {
      clearTimeout(saving);
      saving = setTimeout(remember, 250, false);      // browsers allow only so many in a minute
    };
    look.moved = () => {
      for (const watch of app.watchers) if (watch.moved) watch.moved();
    };
    app.refresh = what => {
      look.prepare(canvas.arrangement, new Set(app.hits.map(id => model.owner(id, state.open))));
      if (what === "all") canvas.repaint();
      else canvas.remark();
      canvas.svg.setAttribute("aria-activedescendant", state.selected ? `t${model.number.get(state.selected)}` : "");
      for (const watch of app.watchers) watch.changed();
    };
    const rearranged = arrangement => look.prepare(arrangement, new Set(app.hits.map(id => model.owner(id, state.open))));

    /* ------------------------------------------------------------------ opening and closing */

    /* `next` is open; `anchor` {id, x, y, fx, fy}: the thing keeps the point (fx, fy) of itself at (x, y) of the window. */
    app.open = (next, { anchor, words, push = true, then } = {}) => {
      const open = model.settled(next);
      const same = open.size === state.open.size && [...open].every(id => state.open.has(id));
      if (same) {
        if (words) app.say(words);
        if (then) then();
        return;
      }
      if (push) remember(false);                      // where Back leads to: the window as it is now
      state.open = open;
      if (state.selected) state.selected = model.owner(state.selected, open);
      if (state.path && (!state.selected || open.has(state.selected))) state.path = false;
      const before = anchor && canvas.item(anchor.id), start = { ...canvas.view };
      const arrangement = core.arrange(open);
      const after = anchor && arrangement.placed.find(item => item.node === anchor.id && item.what !== "label");
      rearranged(arrangement);
      let window;
      if (before && after) {
        app.fitted = false;
        const mixed = (a, b, t) => a + (b - a) * t;
        window = t => ({
          k: start.k,
          x: anchor.x - mixed(before.x + anchor.fx * before.width, after.x + anchor.fx * after.width, t) * start.k,
          y: anchor.y - mixed(before.y + anchor.fy * before.height, after.y + anchor.fy * after.height, t) * start.k,
        });
      } else {
        app.fitted = true;
        const end = canvas.around({ x: 0, y: 0, ...arrangement }, App.USUAL);
        window = t => ({ k: start.k + (end.k - start.k) * t, x: start.x + (end.x - start.x) * t, y: start.y + (end.y - start.y) * t });
      }
      const repaint = state.by !== "kind";
      canvas.glide(arrangement, window, app.motion(), () => {
        app.refresh(repaint ? "all" : "");
        if (then) then();
      });
      for (const watch of app.watchers) watch.changed();
      if (words) app.say(words);
      remember(push);
    };

    /* The point of a thing that stays where it is: under the pointer, else its upper edge. */
    app.anchor = (id, clientX, clientY) => {
      const item = canvas.item(id);
      if (!item) return undefined;
      const { bounds, view } = canvas;
      if (clientX !== undefined) {
        const [x, y] = canvas.world(clientX, clientY);
        return { id, x: clientX - bounds.left, y: clientY - bounds.top, fx: (x - item.x) / item.width, fy: (y - item.y) / item.height };
      }
      const x = view.x + (item.x + item.width / 2) * view.k, y = view.y + item.y * view.k;
      return { id, fx: 0.5, fy: 0, x: Math.min(Math.max(x, 40), bounds.width - 40), y: Math.min(Math.max(y, 24), bounds.height - 40) };
    };
    app.toggle = (id, { anchor = app.anchor(id), all = false } = {}) => {
      const { open } = state, next = new Set(open), name = app.called(id);
      if (!model.things.get(id).opens) return;
      if (open.has(id) && !all) {
        next.delete(id);
        app.open(next, { anchor, words: `${name} closed` });
      } else if (open.has(id)) {
        app.open(app.one_more(id), { anchor, words: `${name}: one level more` });
      } else {
        next.add(id);
        for (const inner of all ? model.inside(id) : []) if (model.things.get(inner).opens) next.add(inner);
        const count = (model.children.get(id) || []).length;
        app.open(next, { anchor, words: all ? `${name} opened to the last operation` : `${name} opened: ${count} ${count === 1 ? "part" : "parts"}` });
      }
    };
    /* What is open once every closed thing on the page (within `id`) opens. */
    app.one_more = id => {
      const next = new Set(state.open), start = id === undefined ? null : model.number.get(id);
      for (const one of model.opening) {
        if (!state.open.has(one) && model.shown(one, state.open) && (start === null || model.within(model.number.get(one), start))) next.add(one);
      }
      return next;
    };
    app.deeper = () => app.open(app.one_more(), { words: "One level more is open" });
    app.shallower = () => {
      const deepest = Math.max(-1, ...[...state.open].map(model.level));
      app.open(new Set([...state.open].filter(id => model.level(id) < deepest)), { words: "One level less is open" });
    };
    app.closed = () => app.open(new Set(), { words: "Everything is closed" });
    app.everything = () => app.open(new Set(model.opening), { words: "Everything is open to the last operation" });
    app.paper = () => app.open(new Set(data.open), { words: "As the figure for paper shows it", then: () => app.fit() });

    /* ------------------------------------------------------------------ selecting */

    app.select = (id, { path = true, into = false, quiet = false } = {}) => {
      state.selected = id;
      state.path = id !== "" && path && !state.open.has(id);
      app.refresh();
      if (id && !quiet) app.say(look.spoken(id));
      if (id && into) app.show(id);
      app.remember();
    };
    app.clear = () => {
      Object.assign(state, { selected: "", path: false, kind: "" });
      app.refresh();
      app.remember();
      app.say("Nothing is selected");
    };
    /* Pans just so far that `id` is in the window. */
    app.show = id => {
      const item = canvas.item(id), { view, bounds } = canvas;
      if (!item) return;
      const margin = 48, push = (from, size, room) => {
        if (size > room - 2 * margin) return from > margin ? margin - from : from + size < room - margin ? room - margin - from - size : 0;
        return from < margin ? margin - from : from + size > room - margin ? room - margin - from - size : 0;
      };
      const dx = push(view.x + item.x * view.k, item.width * view.k, bounds.width);
      const dy = push(view.y + item.y * view.k, item.height * view.k, bounds.height);
      if (!dx && !dy) return;
      app.fitted = false;
      canvas.fly({ k: view.k, x: view.x + dx, y: view.y + dy }, app.motion() / 2, app.remember);
    };
    /* Opens what it stands in, selects it, and brings it to the middle, large enough to read. */
    app.reveal = id => {
      const next = new Set(state.open);
      for (const one of model.ancestors(id)) next.add(one);
      const centre = () => {
        app.select(id, { path: false, quiet: true });
        app.say(look.spoken(id));
        app.zoom_to(id, false);
      };
      app.open(next, { anchor: app.anchor(model.owner(id, state.open)), then: centre });
    };
    app.trace = () => {
      if (!state.selected) return;
      state.path = !state.path && !state.open.has(state.selected);
      app.refresh();
      app.remember();
      const flow = look.flow;
      app.say(flow ? `${app.called(state.selected)}: ${flow.count.up} before it, ${flow.count.down} after it` : "No path is shown");
    };

    /* ------------------------------------------------------------------ the window */

    app.fit = () => {
      app.fitted = true;
      canvas.fly(canvas.around({ x: 0, y: 0, width: canvas.arrangement.width, height: canvas.arrangement.height }, App.USUAL),
        app.motion(), app.remember);
    };
    app.zoom_to = (id, filled = true) => {
      canvas.stop();                        // what still glides is where it was to go, and seen from there
      const item = canvas.item(id);
      if (!item) return;
      app.fitted = false;
      const to = canvas.around(item, filled ? 6 : Math.max(App.USUAL, Math.min(canvas.view.k, 4)), filled ? 48 : 90);
      canvas.fly(to, app.motion(), app.remember);
    };
    app.pan = (dx, dy) => {
      canvas.stop();
      app.fitted = false;
      canvas.look_at(canvas.view.x + dx, canvas.view.y + dy, canvas.view.k);
      app.remember();
    };
    app.zoom = (factor, x = canvas.bounds.width / 2, y = canvas.bounds.height / 2) => {
      canvas.stop();
      app.fitted = false;
      const { view } = canvas, k = Math.min(App.LARGEST, Math.max(App.SMALLEST, view.k * factor)), f = k / view.k;
      canvas.look_at(x - (x - view.x) * f, y - (y - view.y) * f, k);
      app.remember();
    };

    /* ------------------------------------------------------------------ colours, words, theme */

    app.colours = by => {
      state.by = by;
      app.refresh("all");
      app.remember();
    };
    app.kind = name => {
      state.kind = state.kind === name ? "" : name;
      app.refresh();
      app.remember();
    };
    app.theme = theme => {
      state.theme = theme;
      app.themed();
      app.refresh("all");
      app.remember();
    };
    app.search = query => {
      state.query = query;
      app.hits = query.trim() ? Search.find(model, query) : [];
      app.at_hit = -1;
      app.refresh();
      app.remember();
    };

    /* ------------------------------------------------------------------ start, and coming back */

    const window_of = () => {
      const { width, height } = canvas.bounds;
      if (!state.window) return canvas.around({ x: 0, y: 0, width: canvas.arrangement.width, height: canvas.arrangement.height }, App.USUAL);
      const [x, y, k] = state.window;
      return { k, x: width / 2 - x * k, y: height / 2 - y * k };
    };
    const settle = () => {
      app.fitted = !state.window;
      app.hits = state.query.trim() ? Search.find(model, state.query) : [];
      const arrangement = core.arrange(state.open);
      rearranged(arrangement);
      canvas.show(arrangement);
      const to = window_of();
      canvas.look_at(to.x, to.y, to.k);
      app.refresh("all");
    };
    const back = () => {
      clearTimeout(saving);
      if (location.hash === State.write(state, data, model)) return;
      Object.assign(state, State.read(location.hash, data, model));
      app.themed();
      settle();
      app.say("As it was before");
    };
    addEventListener("popstate", back);
    addEventListener("hashchange", back);
    dark.addEventListener("change", () => {
      app.themed();
      app.refresh("all");
    });
    new ResizeObserver(() => {
      canvas.size();
      if (app.fitted) Object.assign(state, { window: null });
      const to = app.fitted ? window_of() : canvas.view;
      if (!canvas.gliding) canvas.look_at(to.x, to.y, to.k);
      for (const watch of app.watchers) watch.changed();
    }).observe(at("stage"));

    Panel.make(app);
    Minimap.make(app);
    Card.make(app);
    Finder.make(app);
    Pointer.make(app);
    Keys.make(app);
    Save.make(app);
    settle();
    return app;
  },
};
