/* Mouse, pen and fingers on the drawing: drag, wheel, pinch, click, double click.
   In: `app`.  Out: nothing; calls its functions. */
"use strict";

const Pointer = {
  SLACK: 4,           // pixels a click may stray

  make(app) {
    const { canvas, model, state } = app, { svg } = canvas;
    const down = new Map();                 // pointer → where it is
    let start = null, dragged = false, pinch = null, clicked = null;

    const under = event => {
      const g = event.target.closest?.(".item");
      const item = g && canvas.key(g.dataset.key);
      return item && model.things.has(item.node) ? item : null;
    };
    const middle = () => {
      const [a, b] = [...down.values()];
      return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, far: Math.hypot(a.x - b.x, a.y - b.y) };
    };

    svg.addEventListener("pointerdown", event => {
      if (event.button > 1) return;
      canvas.stop_flying?.();
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (down.size === 1) {
        start = { x: event.clientX, y: event.clientY };
        dragged = false;
      } else if (down.size === 2) {
        pinch = middle();
        dragged = true;
      }
    });
    svg.addEventListener("pointermove", event => {
      const from = down.get(event.pointerId);
      if (!from) {
        if (event.pointerType === "mouse") app.card.over(under(event), event);
        return;
      }
      down.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (down.size === 2 && pinch) {
        const now = middle(), { bounds } = canvas;
        app.pan(now.x - pinch.x, now.y - pinch.y);
        if (pinch.far > 0 && now.far > 0) app.zoom(now.far / pinch.far, now.x - bounds.left, now.y - bounds.top);
        pinch = now;
        return;
      }
      if (!dragged && Math.hypot(event.clientX - start.x, event.clientY - start.y) > Pointer.SLACK) {
        dragged = true;
        svg.setPointerCapture(event.pointerId);
        svg.classList.add("grabbing");
        app.card.hide();
        app.pan(event.clientX - start.x, event.clientY - start.y);
      } else if (dragged) {
        app.pan(event.clientX - from.x, event.clientY - from.y);
      }
    });
    const up = event => {
      down.delete(event.pointerId);
      if (down.size < 2) pinch = null;
      if (!down.size) svg.classList.remove("grabbing");
    };
    svg.addEventListener("pointerup", up);
    svg.addEventListener("pointercancel", up);
    svg.addEventListener("pointerleave", event => {
      if (event.pointerType === "mouse" && !down.size) app.card.over(null, event);
    });

    svg.addEventListener("click", event => {
      event.preventDefault();                 // a drawing may hold links; here a click opens
      if (dragged || event.detail > 1) return;
      const item = under(event);
      clicked = item && { id: item.node, open: state.open };
      if (!item) {
        app.clear();
        return;
      }
      const { opens } = model.things.get(item.node);
      if (opens && !event.altKey) {
        app.select(item.node, { path: false, quiet: true });
        app.toggle(item.node, { anchor: app.anchor(item.node, event.clientX, event.clientY), all: event.shiftKey });
      } else {
        app.select(item.node);
      }
      app.card.touched(item, event);
    });
    // The first click of the two opened or closed something: what was double clicked is open, and fills the window.
    svg.addEventListener("dblclick", () => {
      if (dragged || !clicked) return;
      const { id, open } = clicked;
      const next = open.has(id) ? open : state.open;
      app.open(next, { push: false, anchor: app.anchor(id), then: () => app.zoom_to(id) });
    });
    svg.addEventListener("wheel", event => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1, { bounds } = canvas;
      app.card.hide();
      if (event.ctrlKey || event.metaKey) {
        app.zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY * unit)) * 0.01), event.clientX - bounds.left, event.clientY - bounds.top);
      } else if (event.shiftKey && !event.deltaX) {
        app.pan(-event.deltaY * unit, 0);
      } else {
        app.pan(-event.deltaX * unit, -event.deltaY * unit);
      }
    }, { passive: false });
  },
};

/* ---------------------------------------------------------------------------------------------- the minimap */

const Minimap = {
  WIDE: 180, HIGH: 150,

  make(app) {
    const { canvas, at, look, model } = app;
    const box = at("minimap"), sheet = at("map"), frame = at("frame"), paint = sheet.getContext("2d");
    let scale = 1, drawn = null;

    const whole = () => {
      const { view, bounds, arrangement } = canvas, { width, height } = arrangement;
      return view.x > -2 && view.y > -2 && view.x + width * view.k < bounds.width + 2 && view.y + height * view.k < bounds.height + 2;
    };
    const moved = () => {
      const hidden = whole() || canvas.bounds.width < 480;
      if (hidden !== box.hidden) {
        box.hidden = hidden;
        if (!hidden) changed();
      }
      if (hidden) return;
      const { view, bounds, arrangement } = canvas;
      const clip = (from, size, end) => [Math.max(0, from), Math.max(3, Math.min(end, from + size) - Math.max(0, from))];
      const [x, w] = clip(-view.x / view.k * scale, bounds.width / view.k * scale, arrangement.width * scale);
      const [y, h] = clip(-view.y / view.k * scale, bounds.height / view.k * scale, arrangement.height * scale);
      frame.style.transform = `translate(${x}px,${y}px)`;
      frame.style.width = `${w}px`;
      frame.style.height = `${h}px`;
    };
    const changed = () => {
      if (box.hidden || canvas.gliding) return;
      const { arrangement } = canvas, { width, height } = arrangement, dense = Math.min(2, devicePixelRatio || 1);
      scale = Math.min(Minimap.WIDE / width, Minimap.HIGH / height);
      scale = Math.max(scale, Math.min(24 / width, Minimap.HIGH / height), Math.min(24 / height, Minimap.WIDE / width));
      sheet.width = Math.ceil(width * scale * dense);
      sheet.height = Math.ceil(height * scale * dense);
      sheet.style.width = `${Math.ceil(width * scale)}px`;
      sheet.style.height = `${Math.ceil(height * scale)}px`;
      paint.scale(scale * dense, scale * dense);
      const ink = look.dark ? "255,255,255" : "0,0,0";
      for (const item of arrangement.placed) {
        if (item.what === "frame") paint.fillStyle = `rgba(${ink},.07)`;
        else if (item.what === "node") paint.fillStyle = look.dab(item);
        else continue;
        paint.fillRect(item.x, item.y, Math.max(item.width, 0.8 / scale), Math.max(item.height, 0.8 / scale));
        if (item.what === "node" && scale > 0.06) {
          paint.strokeStyle = `rgba(${ink},.35)`;
          paint.lineWidth = 0.5 / scale;
          paint.strokeRect(item.x, item.y, item.width, item.height);
        }
      }
      paint.fillStyle = look.dark ? "#f0c419" : "#b07c00";
      for (const id of new Set(app.hits.map(id => model.owner(id, app.state.open)))) {
        const item = canvas.item(id);
        if (item) paint.fillRect(item.x - 1 / scale, item.y - 1 / scale, Math.max(item.width, 1 / scale) + 2 / scale, Math.max(item.height, 1 / scale) + 2 / scale);
      }
      drawn = arrangement;
      moved();
    };
    const go = (event, jump) => {
      const { bounds } = canvas, map = sheet.getBoundingClientRect();
      const x = (event.clientX - map.left) / scale, y = (event.clientY - map.top) / scale, { k } = canvas.view;
      const [ox, oy] = jump ? [0, 0] : held;
      app.fitted = false;
      canvas.look_at(bounds.width / 2 - (x - ox) * k, bounds.height / 2 - (y - oy) * k, k);
      app.remember();
    };
    let held = null;
    box.addEventListener("pointerdown", event => {
      canvas.stop();
      box.setPointerCapture(event.pointerId);
      const [cx, cy] = canvas.world(canvas.bounds.left + canvas.bounds.width / 2, canvas.bounds.top + canvas.bounds.height / 2);
      const map = sheet.getBoundingClientRect();
      const on = event.target === frame;
      held = on ? [(event.clientX - map.left) / scale - cx, (event.clientY - map.top) / scale - cy] : [0, 0];
      if (!on) go(event, true);
    });
    box.addEventListener("pointermove", event => {
      if (held) go(event, false);
    });
    const release = () => { held = null; };
    box.addEventListener("pointerup", release);
    box.addEventListener("pointercancel", release);
    app.watchers.push({ moved: () => (drawn !== canvas.arrangement ? changed() : 0, moved()), changed });
  },
};
