/* Beside the drawing: what the figure is, what is selected, its colours, its command lines.
   In: `app`.  Out: `app.shelf(…)`.  Everything from the model goes in as text. */
"use strict";

const Panel = {
  make(app) {
    const { at, data, model, state, look, canvas } = app;
    at("totals").textContent = data.totals;
    at("caption").textContent = data.caption;
    canvas.svg.setAttribute("aria-label", [data.title, data.totals, data.caption].filter(Boolean).join(". "));

    /* ------------------------------------------------------------------ one of several */

    const choice = (box, options, chosen, choose) => {
      const buttons = options.map(([key, name, told]) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = name;
        if (told) button.title = told;
        button.dataset.value = key;
        button.setAttribute("role", "radio");
        button.addEventListener("click", () => choose(key));
        return button;
      });
      box.append(...buttons);
      box.addEventListener("keydown", event => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        const next = buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length];
        next.focus();
        next.click();
        event.preventDefault();
      });
      return () => {
        for (const button of buttons) {
          const on = button.dataset.value === chosen();
          button.setAttribute("aria-checked", on);
          button.tabIndex = on ? 0 : -1;
        }
      };
    };
    const modes = choice(at("modes"), Look.MODES.map(([key, name]) => [key, name, Look.TOLD[key]]), () => state.by, app.colours);
    const themes = choice(at("themes"), [["light", "Light"], ["dark", "Dark"], ["auto", "Auto"]], () => state.theme, app.theme);

    /* ------------------------------------------------------------------ the key of the colours */

    const swatch = entry => {
      const wide = Math.max(18, entry.width), high = Math.max(12, entry.height);
      const svg = Canvas.node("svg", { width: wide, height: high, viewBox: `0 ${(entry.height - high) / 2} ${wide} ${high}`, "aria-hidden": "true" });
      const file = new DOMParser().parseFromString(`<svg xmlns="${Canvas.SVG}">${look.markup(entry.svg)}</svg>`, "image/svg+xml");
      for (const one of [...file.documentElement.children]) svg.append(document.importNode(one, true));
      return svg;
    };
    const legend = () => {
      const list = document.createElement("ul");
      for (const entry of app.core.legend) {
        const button = document.createElement("button"), name = document.createElement("span");
        button.type = "button";
        name.textContent = entry.name;
        button.append(swatch(entry), name);
        button.setAttribute("aria-pressed", state.kind === entry.name);
        button.title = "Show where";
        button.addEventListener("click", () => app.kind(entry.name));
        list.appendChild(document.createElement("li")).append(button);
      }
      return [list];
    };
    const ramp = () => {
      const note = document.createElement("p"), { scale } = look;
      note.className = "note";
      if (!scale) {
        note.textContent = `${Look.TOLD[state.by]}: nothing on the page has any.`;
        return [note];
      }
      const wide = 258, high = 12, svg = Canvas.node("svg", { class: "ramp", viewBox: `0 0 ${wide} 32`, height: 32, role: "img" });
      for (let i = 0; i < 64; i++) {
        svg.append(Canvas.node("rect", { x: i * wide / 64, width: wide / 64 + 0.5, height: high, fill: Scale.colour((i + 0.5) / 64, look.dark) }));
      }
      const said = v => Scale.written(v, state.by === "memory");
      let end = -20;
      for (const [value, t] of scale.ticks) {
        const x = Math.min(wide - 1, Math.max(1, t * wide)), words = said(value), long = 6.4 * words.length;
        const from = Math.min(wide - long, Math.max(0, x - long / 2));
        if (from < end + 6) continue;
        end = from + long;
        svg.append(Canvas.node("path", { d: `M${x} ${high}v4`, stroke: "currentColor" }));
        svg.appendChild(Canvas.node("text", { x: from + long / 2, y: 28, "text-anchor": "middle" })).textContent = words;
      }
      svg.setAttribute("aria-label", `From ${said(scale.low)} to ${said(scale.high)}${scale.log ? ", logarithmic" : ""}`);
      note.textContent = `${Look.TOLD[state.by]}, at most ${said(scale.high)}${scale.log ? "; logarithmic" : ""}.`;
      return [svg, note];
    };

    /* ------------------------------------------------------------------ the selection */

    const section = at("selection"), [title] = section.getElementsByTagName("h2"), [path] = section.getElementsByClassName("path");
    const selection = () => {
      const id = state.selected, thing = model.things.get(id);
      section.hidden = !thing;
      at("crumbs").hidden = !thing;
      if (!thing) return;
      title.textContent = app.called(id);
      path.replaceChildren(...(thing.path === app.called(id) ? [] : Card.broken(thing.path)));
      section.replaceChild(Card.list(Card.facts(app, id)), section.lastElementChild);
      at("act-open").hidden = !thing.opens;
      at("act-open").textContent = state.open.has(id) ? "Close" : "Open";
      at("act-path").setAttribute("aria-pressed", state.path);
      at("act-path").hidden = state.open.has(id);
      const crumbs = [];
      for (const one of ["", ...model.ancestors(id), id]) {
        if (crumbs.length) crumbs.push(Object.assign(document.createElement("span"), { textContent: "›" }));
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = one === "" ? data.title || "model" : app.called(one);
        button.addEventListener("click", () => {
          if (one === "") {
            app.clear();
            app.fit();
          } else {
            app.select(one, { path: false });
            app.zoom_to(one);
          }
        });
        crumbs.push(button);
      }
      at("crumbs").replaceChildren(...crumbs);
    };
    at("act-open").addEventListener("click", () => app.toggle(state.selected));
    at("act-zoom").addEventListener("click", () => app.zoom_to(state.selected));
    at("act-path").addEventListener("click", app.trace);

    /* ------------------------------------------------------------------ buttons */

    for (const [id, act] of Object.entries({ deeper: app.deeper, closed: app.closed, paper: app.paper, fit: app.fit,
      larger: () => app.zoom(1.3), smaller: () => app.zoom(1 / 1.3), helping: () => at("help").showModal() })) {
      at(id).addEventListener("click", () => act());
    }
    app.shelf = shown => {
      at("side").classList.toggle("shut", !shown);
      at("shelf").setAttribute("aria-expanded", shown);
    };
    at("shelf").addEventListener("click", () => app.shelf(at("side").classList.contains("shut")));
    app.shelf(innerWidth > 640);

    app.watchers.push({
      changed() {
        modes();
        themes();
        at("key").replaceChildren(...(state.by === "kind" ? legend() : ramp()));
        selection();
        at("same").value = app.core.command(state.open);
        at("fitted").value = app.core.paper(state.open);
        at("closed").disabled = state.open.size === 0;
        at("deeper").disabled = state.open.size === model.opening.length;
      },
      moved: () => { at("scale").textContent = `${Math.round(app.canvas.view.k * 72.27 / 96 * 100)}%`; },
    });
  },
};
