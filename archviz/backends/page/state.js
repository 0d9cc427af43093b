/* What the page shows, as the part of its address after `#`: a link shares a view, a reload brings it back.
   In: the data, the model.  Out: `State.read(…)`, `State.write(…)`. */
"use strict";

const State = {
  LONG: 1200,         // letters of ids beyond which a row of bits says what is open

  initial: (data, model) => ({
    open: model.settled(new Set(data.open)), selected: "", path: false, by: "kind", theme: "auto", query: "", kind: "", window: null,
  }),

  write(state, data, model) {
    const parts = [], put = (name, value) => parts.push(`${name}=${value}`);
    const initial = State.initial(data, model).open;
    if (state.open.size !== initial.size || [...state.open].some(id => !initial.has(id))) {
      const ids = [...state.open].map(State.coded).join(",");
      if (state.open.size === model.opening.length) put("all", 1);
      else if (ids.length <= State.LONG) put("open", ids);
      else put("bits", State.bits(model.opening.map(id => state.open.has(id))));
    }
    if (state.selected) put("at", State.coded(state.selected));
    if (state.path) put("path", 1);
    if (state.by !== "kind") put("by", state.by);
    if (state.kind) put("kind", State.coded(state.kind));
    if (state.theme !== "auto") put("theme", state.theme);
    if (state.query) put("find", State.coded(state.query));
    if (state.window) put("window", state.window.map(v => Number(v.toPrecision(6))).join(","));
    return parts.length ? `#${parts.join("&")}` : "#";
  },

  /* What an address says; what it does not know, or not any more, is as at first. */
  read(hash, data, model) {
    const state = State.initial(data, model);
    const said = new Map(hash.replace(/^#/, "").split("&").map(part => {
      const i = part.indexOf("=");
      return [part.slice(0, i), part.slice(i + 1)];
    }));
    const known = id => model.things.has(id);
    const word = name => State.decoded(said.get(name) || "");
    if (said.has("all")) state.open = new Set(model.opening);
    if (said.has("open")) state.open = new Set(said.get("open").split(",").map(State.decoded).filter(known));
    if (said.has("bits")) {
      const bits = State.unpacked(said.get("bits"));
      state.open = new Set(model.opening.filter((_, i) => bits(i)));
    }
    state.open = model.settled(state.open);
    if (known(word("at")) && model.shown(word("at"), state.open)) state.selected = word("at");
    state.path = said.has("path") && state.selected !== "";
    if (["params", "macs", "memory"].includes(said.get("by"))) state.by = said.get("by");
    if (["light", "dark"].includes(said.get("theme"))) state.theme = said.get("theme");
    state.kind = word("kind");
    state.query = word("find");
    const numbers = (said.get("window") || "").split(",").map(Number);
    if (numbers.length === 3 && numbers.every(Number.isFinite) && numbers[2] > 0) state.window = numbers;
    return state;
  },

  coded(text) {
    try {
      return encodeURIComponent(text);
    } catch {
      return "";                              // half of a letter, which no address can hold
    }
  },
  decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return "";
    }
  },
  bits(flags) {
    let bytes = "";
    for (let i = 0; i < flags.length; i += 8) {
      bytes += String.fromCharCode(flags.slice(i, i + 8).reduce((sum, on, j) => sum | (on ? 1 << j : 0), 0));
    }
    return btoa(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  },
  unpacked(text) {
    let bytes = "";
    try {
      bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    } catch { /* not ours: nothing is open */ }
    return i => ((bytes.charCodeAt(i >> 3) || 0) >> (i & 7)) & 1;
  },
};
