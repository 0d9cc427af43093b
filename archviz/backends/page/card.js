/* What the page says of one thing: the card beside it, the rings around it.
   In: `app`.  Out: `app.card`.  Everything from the model goes in as text. */
"use strict";

const Card = {
  WAIT: 120,          // milliseconds a mouse rests on something before the card appears

  /* The facts of a thing as [name, value], in the order to show. */
  facts(app, id) {
    const thing = app.model.things.get(id), facts = [];
    const put = (name, value) => {
      if (value !== "" && value !== undefined && value !== null) facts.push([name, String(value)]);
    };
    put("operation", thing.op === thing.label ? "" : thing.op);
    if (thing.repeat > 1) put("repeated", `${thing.repeat} times`);
    put("in", thing.in);
    put("out", thing.out);
    if (thing.params) put("parameters", `${Scale.written(thing.params)}${thing.params >= 1000 ? ` (${thing.params.toLocaleString("en")})` : ""}`);
    if (thing.macs) put("MACs", Scale.written(thing.macs));
    if (thing.memory) put("activations", Scale.written(thing.memory, true));
    for (const [name, value] of thing.facts || []) put(name, value);
    if (thing.members > 1) put("operations", thing.members);
    return facts;
  },
  /* A long name may go on in the next line after a dot. */
  broken: words => words.split(/(?<=[./_])(?=\D)/).flatMap((part, i) => (i ? [document.createElement("wbr"), part] : [part])),
  list(facts) {
    const made = document.createElement("dl");
    for (const [name, value] of facts) {
      made.appendChild(document.createElement("dt")).textContent = name;
      made.appendChild(document.createElement("dd")).append(...Card.broken(value));
    }
    return made;
  },

  make(app) {
    const { canvas, at, model, state } = app, box = at("card");
    let on = "", pinned = "", waiting = 0;

    const fill = id => {
      const thing = model.things.get(id);
      const name = document.createElement("strong"), path = document.createElement("div");
      name.textContent = app.called(id);
      path.className = "path";
      if (thing.path !== app.called(id)) path.append(...Card.broken(thing.path));
      box.replaceChildren(name, path, Card.list(Card.facts(app, id)));
      box.hidden = false;
    };
    /* Beside (x, y) or a rectangle, wherever there is room; never beyond the window. */
    const place = (left, top, right, bottom) => {
      const { width, height } = box.getBoundingClientRect(), margin = 8, gap = 14;
      let x = right + gap, y = top;
      if (x + width > innerWidth - margin) x = left - gap - width;
      if (x < margin) {
        x = Math.max(margin, Math.min(left, innerWidth - margin - width));
        y = bottom + gap + height > innerHeight - margin ? top - gap - height : bottom + gap;
      }
      y = Math.max(margin, Math.min(y, innerHeight - margin - height));
      box.style.transform = `translate(${Math.round(x)}px,${Math.round(y)}px)`;
    };
    /* Beside a thing of usual size, beside the pointer in a large one. */
    const near = (id, event) => {
      const item = canvas.item(id), { k } = canvas.view;
      if (item && item.width * k < 360 && item.height * k < 120) beside(id);
      else place(event.clientX, event.clientY, event.clientX, event.clientY + 12);
    };
    const beside = id => {
      const item = canvas.item(id), { view, bounds } = canvas;
      if (!item) return;
      const x = bounds.left + view.x + item.x * view.k, y = bounds.top + view.y + item.y * view.k;
      place(x, y, x + item.width * view.k, y + item.height * view.k);
    };

    const card = app.card = {
      get pinned() { return pinned; },
      over(item, event) {
        const id = item ? item.node : "";
        if (id !== on) {
          on = id;
          rings();
          clearTimeout(waiting);
          if (!pinned) {
            box.hidden = true;
            if (id) waiting = setTimeout(() => { fill(id); near(id, event); }, Card.WAIT);
          }
        } else if (id && !pinned && !box.hidden) {
          near(id, event);
        }
      },
      hide() {
        clearTimeout(waiting);
        if (on) {
          on = "";
          rings();
        }
        if (!pinned) box.hidden = true;
      },
      /* A finger cannot hover: what it touched tells of itself. */
      touched(item, event) {
        if (event.pointerType === "mouse" || !canvas.item(item.node) || model.things.get(item.node).opens) return;
        fill(item.node);
        place(event.clientX, event.clientY, event.clientX, event.clientY);
      },
      /* The card of the selection stays, and can be scrolled and copied from. */
      pin() {
        pinned = pinned || !state.selected ? "" : state.selected;
        box.classList.toggle("pinned", pinned !== "");
        if (pinned) {
          fill(pinned);
          beside(pinned);
          app.say(Card.facts(app, pinned).map(fact => fact.join(": ")).join("; "));
        } else {
          box.hidden = true;
        }
      },
      beside(id) {
        fill(id);
        beside(id);
      },
    };

    /* ------------------------------------------------------------------ rings */

    const around = (item, name, gap) => Canvas.node("rect", { class: name, x: item.x - gap, y: item.y - gap,
      width: item.width + 2 * gap, height: item.height + 2 * gap, rx: Math.min(3, gap + 1) });
    const badge = (item, open) => {
      const { k } = canvas.view, size = 1 / k;
      const g = Canvas.node("g", { class: "badge", transform: `translate(${item.x + item.width} ${item.y}) scale(${size})` });
      g.append(Canvas.node("circle", { r: 8 }), Canvas.node("path", { d: open ? "M-3.5 0h7" : "M-3.5 0h7M0 -3.5v7" }));
      return g;
    };
    function rings() {
      const made = [], { k } = canvas.view;
      if (canvas.gliding) return canvas.over.replaceChildren();
      const found = [];
      for (const id of new Set(app.hits.map(id => model.owner(id, state.open)))) {
        const item = canvas.item(id);
        if (item) found.push(`M${item.x - 1} ${item.y - 1}h${item.width + 2}v${item.height + 2}h${-item.width - 2}z`);
      }
      if (found.length) made.push(Canvas.node("path", { class: "hits", d: found.join("") }));
      const selected = state.selected && canvas.item(state.selected);
      if (selected) made.push(around(selected, "ring", 3 / k));
      const hovered = on && canvas.item(on);
      if (hovered && model.things.get(on).opens) {
        made.push(around(hovered, "hover", 1.5 / k), badge(hovered, hovered.what === "frame"));
      }
      return canvas.over.replaceChildren(...made);
    }
    let k = 0;
    app.watchers.push({
      changed() {
        if (on && !canvas.item(on)) card.hide();
        if (pinned) {
          if (!state.selected) card.pin();
          else if (!canvas.gliding) {
            pinned = state.selected;
            fill(pinned);
            beside(pinned);
          }
        }
        rings();
      },
      moved() {
        if (k !== canvas.view.k) {
          k = canvas.view.k;
          rings();
        }
        if (pinned && !canvas.gliding) beside(pinned);
      },
    });
    addEventListener("keydown", event => {
      if (event.key === "Escape" && !pinned) box.hidden = true;
    });
  },
};
