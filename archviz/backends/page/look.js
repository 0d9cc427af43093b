/* How what is drawn looks: the colours of the style or of amounts, light or dark, and what is marked.
   In: the data, the model, the state of the page.  Out: `Look.make(…)`, which the canvas asks for each element. */
"use strict";

const Look = {
  MODES: [["kind", "Kind"], ["params", "Params"], ["macs", "MACs"], ["memory", "Memory"]],
  TOLD: {
    params: "Parameters of each box", macs: "Multiply-accumulates of each box", memory: "Memory of each box's activations",
  },

  make(data, model, state) {
    let scale = null, flow = null, flowLinks = new Map(), found = new Set(), kinds = null, of = () => null;
    const dabs = new Map();

    const look = {
      dark: data.dark,
      get night() { return look.dark !== data.dark; },
      get scale() { return scale; },
      get flow() { return flow; },
      ground: () => {
        const own = data.background || (data.dark ? "#1b1b1b" : "#ffffff");
        return look.night ? Colour.night(own) : own;
      },
      markup: svg => (look.night ? Colour.nightly(svg) : svg),
      moved: () => {},

      /* The colour of an amount; null in the style's own colours. */
      colour: thing => {
        if (state.by === "kind" || !scale) return null;
        const t = scale.at(thing[state.by]);
        return t === null ? (look.dark ? "#2c2c2e" : "#f4f4f2") : Scale.colour(t, look.dark);
      },

      build(g, item) {
        const thing = model.things.get(item.node);
        if (!thing) return;
        g.setAttribute("role", "treeitem");
        g.setAttribute("data-thing", item.node);
        g.setAttribute("id", `t${model.number.get(item.node)}`);
        g.setAttribute("aria-level", model.level(item.node) + 1);
        g.setAttribute("aria-label", look.spoken(item.node));
        if (thing.opens) g.setAttribute("aria-expanded", item.what === "frame");
        // Also between its words, and in the bend of a symbol, it is the thing that is pointed at.
        if (item.what === "node") {
          g.append(Canvas.node("rect", { x: item.x - item.dx, y: item.y - item.dy, width: item.width, height: item.height, class: "reach" }));
        }
        const colour = look.colour(thing);
        if (colour) look.tint(g, item.what === "frame" ? Colour.mixed(look.ground(), colour, 0.3) : colour, item.what === "frame");
      },
      tint(g, colour, first) {
        const ink = look.dark ? "#ffffff" : "#000000";
        for (const one of g.querySelectorAll("[fill]")) {
          const fill = one.getAttribute("fill");
          if (one.localName === "text" || one.querySelector("text") || one.closest("text")) {
            if (!first) one.setAttribute("fill", ink);
          } else if (fill[0] === "#") {
            one.setAttribute("fill", colour);
            if (first) return;
          }
        }
      },
      dab(item) {
        const thing = model.things.get(item.node), colour = look.colour(thing);
        if (colour) return colour;
        const key = `${look.night} ${thing.role}`;
        if (!dabs.has(key)) {
          const fill = /fill="(#[0-9a-fA-F]{6})"/.exec(look.markup(look.element(item)));
          dabs.set(key, fill ? fill[1] : "#808080");
        }
        return dabs.get(key);
      },
      keep: item => item.node !== "" && item.node === state.selected,

      spoken(id) {
        const thing = model.things.get(id), count = (model.children.get(id) || []).length;
        return [thing.label || thing.op || id, thing.repeat > 1 ? `times ${thing.repeat}` : "", thing.path === thing.label ? "" : thing.path,
          thing.out ? `gives ${thing.out}` : "", thing.opens ? `${count} parts` : ""].filter(Boolean).join(", ");
      },

      /* ---------------------------------------------------------------- marks */

      mark(g, item) {
        const names = ["item", item.what];
        const thing = model.things.get(item.node);
        if (thing) {
          if (thing.opens) names.push("opens");
          if (item.node === state.selected) names.push("selected");
          const way = flow ? flow.of(item.node) : "";
          if (flow && !(item.what === "frame" && way)) names.push(way || "dim");
          else if (kinds && !kinds.has(item.node)) names.push("dim");
          if (found.has(item.node)) names.push("hit");
          g.setAttribute("aria-selected", item.node === state.selected);
        } else if (flow) {
          names.push(flowLinks.get(item.key) || "dim");
        } else if (kinds && !kinds.has(item.key)) {
          names.push("dim");
        }
        g.setAttribute("class", names.join(" "));
      },
      /* Works out what is to be marked in `arrangement`. */
      prepare(arrangement, hits) {
        flow = state.path && model.things.has(state.selected) ? of(state.selected) : null;
        flowLinks = flow ? flow.links(arrangement.placed.filter(item => item.src !== undefined && item.dst !== undefined)) : new Map();
        found = hits;
        kinds = state.kind ? look.having(state.kind, arrangement) : null;
        const values = arrangement.placed.filter(item => item.what === "node").map(item => model.things.get(item.node)[state.by]);
        scale = state.by === "kind" ? null : Scale.of(values, state.by === "memory");
      },
      /* What is painted as an entry of the legend on the page, or holds something that is: ids of things, keys of lines. */
      having(name, arrangement) {
        const roles = data.legend.find(entry => entry.name === name)?.roles || [], sums = [0];
        for (const id of model.order) sums.push(sums[sums.length - 1] + (roles.some(role => model.roles.get(id).has(role)) ? 1 : 0));
        return new Set(arrangement.placed.filter(item => {
          const i = model.number.get(item.node);
          return i === undefined ? item.marks && model.painted(item.marks).some(role => roles.includes(role)) : sums[model.last[i] + 1] > sums[i];
        }).map(item => item.node || item.key));
      },
    };
    const known = new Map();
    of = id => {
      if (!known.has(id)) {
        known.clear();
        known.set(id, Flow.trace(model, id));
      }
      return known.get(id);
    };
    return look;
  },
};
