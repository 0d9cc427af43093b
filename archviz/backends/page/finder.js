/* The search field: hits as a list and on the drawing; Enter goes to one.
   In: `app`.  Out: `app.find(…)`. */
"use strict";

const Finder = {
  SHOWN: 100,         // hits in the list; all are marked on the drawing
  QUICK: 3000,        // things among which each letter finds at once; among more a pause does

  make(app) {
    const { at, model, state } = app, field = at("query"), list = at("hits");
    let chosen = -1;

    const count = () => {
      const { hits } = app, any = field.value.trim() !== "";
      at("count").textContent = !any ? "" : app.at_hit >= 0 ? `${app.at_hit + 1} / ${hits.length}` : hits.length === 1 ? "1 hit" : `${hits.length} hits`;
      at("earlier").hidden = at("later").hidden = hits.length < 1;
    };
    const open = shown => {
      list.hidden = !shown;
      field.setAttribute("aria-expanded", shown);
      if (!shown) choose(-1);
    };
    const choose = i => {
      chosen = i;
      [...list.children].forEach((row, j) => {
        if (row.getAttribute("role") === "option") row.setAttribute("aria-selected", j === i);
      });
      if (i < 0) return field.removeAttribute("aria-activedescendant");
      list.children[i].scrollIntoView({ block: "nearest" });
      return field.setAttribute("aria-activedescendant", `hit${i}`);
    };
    const fill = () => {
      list.replaceChildren(...app.hits.slice(0, Finder.SHOWN).map((id, i) => {
        const row = document.createElement("li"), what = document.createElement("span"), where = document.createElement("span");
        row.id = `hit${i}`;
        row.setAttribute("role", "option");
        what.className = "what";
        where.className = "where";
        what.textContent = app.called(id);
        where.textContent = `\u200e${model.things.get(id).path || id}`;
        row.append(what, where);
        row.addEventListener("pointerdown", event => event.preventDefault());     // the field keeps the focus
        row.addEventListener("click", () => go(i));
        return row;
      }));
      const more = app.hits.length - Finder.SHOWN;
      if (more > 0 || !app.hits.length) {
        const row = list.appendChild(document.createElement("li"));
        row.className = "more";
        row.textContent = more > 0 ? `and ${more} more` : "Nothing is called so.  Try conv, layer*, 64×56 or >1M params.";
      }
      choose(-1);
    };
    const go = i => {
      const { hits } = app;
      if (!hits.length) return;
      app.at_hit = (i + hits.length) % hits.length;
      open(false);
      app.reveal(hits[app.at_hit]);
      count();
    };

    let typing = 0;
    const search = () => {
      clearTimeout(typing);
      app.search(field.value);
      fill();
      open(field.value.trim() !== "");
      count();
    };
    field.addEventListener("input", () => {
      clearTimeout(typing);
      if (model.order.length < Finder.QUICK) search();
      else typing = setTimeout(search, 120);
    });
    field.addEventListener("focus", () => {
      if (field.value.trim()) open(true);
    });
    field.addEventListener("blur", () => open(false));
    field.addEventListener("keydown", event => {
      const last = Math.min(app.hits.length, Finder.SHOWN) - 1;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (list.hidden) open(true);
        if (last >= 0) choose(event.key === "ArrowDown" ? (chosen >= last ? 0 : chosen + 1) : (chosen <= 0 ? last : chosen - 1));
      } else if (event.key === "Enter") {
        search_now();
        go(chosen >= 0 ? chosen : event.shiftKey ? app.at_hit - 1 : app.at_hit + 1);
      } else if (event.key === "Escape") {
        if (list.hidden || !field.value) {
          app.find("");
          app.canvas.svg.focus();
        } else {
          open(false);
        }
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
    const search_now = () => {
      if (field.value !== state.query) search();
    };
    at("earlier").addEventListener("click", () => go(app.at_hit < 0 ? -1 : app.at_hit - 1));
    at("later").addEventListener("click", () => go(app.at_hit + 1));

    app.find = words => {
      if (words === undefined) {
        field.focus();
        field.select();
        return;
      }
      field.value = words;
      search();
      open(false);
    };
    app.next_hit = step => go(app.at_hit < 0 && step < 0 ? -1 : app.at_hit + step);
    app.watchers.push({
      changed() {
        if (document.activeElement !== field && field.value !== state.query) {
          field.value = state.query;
          fill();
        }
        count();
      },
    });
  },
};
