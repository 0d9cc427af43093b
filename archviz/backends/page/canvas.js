/* The drawing on the screen: of an arrangement only what is in the window, and large enough to be seen.
   In: the core, an <svg>, how each element is to look.  Out: `Canvas.make(…)`.
   One transform on one group pans and zooms; what is built reaches half a window beyond the edges, so that most steps
   of a pan change nothing else. */
"use strict";

const Canvas = {
  SVG: "http://www.w3.org/2000/svg",
  TINY: 2.5,          // pixels on the screen below which a thing is only a dab of its colour
  LEGIBLE: 0.3,       // pixels a point below which no word can be read
  NARROW: 640,        // pixels of a window below which the buttons at its lower edge are in the way
  BUTTONS: 64,        // how high they reach
  MANY: 900,          // things on the screen beyond which nothing glides

  node(name, attributes) {
    const made = document.createElementNS(Canvas.SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    return made;
  },

  /* look.markup(svg) turns the text of an element; look.build(g, item) finishes a new one; look.mark(g, item) sets what
     changes with the selection; look.dab(item) is the colour of one too small to draw; look.moved() hears of pans. */
  make(core, svg, look) {
    const world = svg.appendChild(Canvas.node("g", { id: "world" }));
    const layer = world.appendChild(Canvas.node("g", { id: "drawn" }));
    const dabs = world.appendChild(Canvas.node("g", { id: "dabs" }));
    const over = world.appendChild(Canvas.node("g", { id: "over", "aria-hidden": "true" }));
    const defs = svg.insertBefore(Canvas.node("defs"), world);
    const pool = new Map();                 // key → {g, html, item}
    const view = { x: 0, y: 0, k: 1 };
    let drawn = { width: 1, height: 1, placed: [] }, byKey = new Map(), byThing = new Map();
    let built = null, gliding = 0, landing = null, bounds = svg.getBoundingClientRect();

    const parsed = text => {
      const file = new DOMParser().parseFromString(`<svg xmlns="${Canvas.SVG}">${text}</svg>`, "image/svg+xml");
      return [...file.documentElement.children].map(one => document.importNode(one, true));
    };
    const defined = () => defs.replaceChildren(...parsed(look.markup(core.defs())));

    function index(arrangement) {
      drawn = arrangement;
      byKey = new Map();
      byThing = new Map();
      for (const item of arrangement.placed) {
        byKey.set(item.key, item);
        if (item.what === "node" || item.what === "frame") byThing.set(item.node, item);
      }
    }

    /* ------------------------------------------------------------------ what is built */

    const moved = item => `translate(${item.dx} ${item.dy})`;
    const alike = (was, item, html) => item.rigid || was.marks === item.marks || core.element(item) === html;

    function update(entry, item) {
      if (entry.item.dx !== item.dx || entry.item.dy !== item.dy) entry.g.setAttribute("transform", moved(item));
      if (entry.item.fade !== item.fade) {
        if (item.fade === 1) entry.g.removeAttribute("opacity");
        else entry.g.setAttribute("opacity", item.fade.toFixed(3));
      }
      entry.item = item;
    }

    function build(items) {
      if (!items.length) return;
      const texts = items.map(item => core.element(item));
      const made = parsed(texts.map(text => `<g>${look.markup(text)}</g>`).join(""));
      items.forEach((item, i) => {
        const g = made[i];
        for (const title of g.querySelectorAll("title")) title.remove();      // the card says more
        g.setAttribute("class", `item ${item.what}`);
        g.setAttribute("data-key", item.key);
        g.setAttribute("transform", moved(item));
        if (item.fade !== 1) g.setAttribute("opacity", item.fade.toFixed(3));
        look.build(g, item);
        look.mark(g, item);
        const before = pool.get(item.key);
        if (before) before.g.replaceWith(g);
        pool.set(item.key, { g, item, html: texts[i] });
      });
    }

    function cull() {
      const { x, y, k } = view, wide = bounds.width / k, high = bounds.height / k;
      const left = -x / k - wide / 2, top = -y / k - high / 2, right = left + 2 * wide, bottom = top + 2 * high;
      built = { left, top, right, bottom, k };
      const wanted = [], fresh = [], small = new Map();
      for (const item of drawn.placed) {
        if (item.x > right || item.y > bottom || item.x + item.width < left || item.y + item.height < top) continue;
        if (Math.max(item.width, item.height) * k < Canvas.TINY && !look.keep(item)) {
          if (item.what === "node") {
            const colour = look.dab(item);
            if (!small.has(colour)) small.set(colour, []);
            small.get(colour).push(`M${item.x.toFixed(1)} ${item.y.toFixed(1)}h${item.width.toFixed(1)}v${item.height.toFixed(1)}h${(-item.width).toFixed(1)}z`);
          }
          continue;
        }
        if (k < Canvas.LEGIBLE && item.what === "label") continue;
        wanted.push(item);
        const entry = pool.get(item.key);
        if (!entry) fresh.push(item);
        else if (entry.item !== item) {
          if (alike(entry.item, item, entry.html)) update(entry, item);
          else fresh.push(item);
        }
      }
      build(fresh);
      const keys = new Set(wanted.map(item => item.key));
      for (const [key, entry] of pool) {
        if (!keys.has(key)) {
          entry.g.remove();
          pool.delete(key);
        }
      }
      let at = layer.firstChild;
      for (const item of wanted) {
        const { g } = pool.get(item.key);
        if (g === at) at = at.nextSibling;
        else layer.insertBefore(g, at);
      }
      dabs.replaceChildren(...[...small].sort().map(([fill, d]) => Canvas.node("path", { d: d.join(""), fill })));
    }

    /* ------------------------------------------------------------------ the window */

    function place() {
      world.setAttribute("transform", `matrix(${view.k} 0 0 ${view.k} ${view.x} ${view.y})`);
      svg.classList.toggle("far", view.k < Canvas.LEGIBLE);
      look.moved();
    }
    function outside() {
      const { x, y, k } = view;
      return !built || k > built.k * 1.3 || k < built.k / 1.3 || -x / k < built.left || -y / k < built.top
        || (bounds.width - x) / k > built.right || (bounds.height - y) / k > built.bottom;
    }
    function look_at(x, y, k) {
      Object.assign(view, { x, y, k });
      place();
      if (outside()) cull();
    }

    const canvas = {
      svg, view, over,
      get bounds() { return bounds; },
      get arrangement() { return drawn; },
      get gliding() { return gliding !== 0; },
      item: id => byThing.get(id),
      key: key => byKey.get(key),
      element: id => pool.get(byThing.get(id)?.key)?.g,
      count: () => layer.childElementCount,
      look_at,
      size() {
        bounds = svg.getBoundingClientRect();
        built = null;
        look_at(view.x, view.y, view.k);
      },
      /* Builds everything anew: other colours. */
      repaint() {
        layer.replaceChildren();
        pool.clear();
        defined();
        cull();
      },
      /* What is built stays, its marks change. */
      remark() {
        for (const { g, item } of pool.values()) look.mark(g, item);
      },
      /* What glides is where it was to go, at once; the window stays where it is. */
      stop() {
        const land = landing;
        landing = null;
        cancelAnimationFrame(gliding);
        gliding = 0;
        if (!land) return;
        land();
        canvas.stop();
      },
      show(arrangement) {
        canvas.stop();
        index(arrangement);
        built = null;
        look_at(view.x, view.y, view.k);
      },
      /* From what is drawn to `next`; `window(t)` is where to look at each moment; then `done`. */
      glide(next, window, duration, done) {
        canvas.stop();
        const before = drawn, end = () => {
          landing = null;
          Object.assign(view, window(1));
          canvas.show(next);
          done();
        };
        if (!duration || pool.size > Canvas.MANY || next.placed.length > 4 * Canvas.MANY) return end();
        const start = performance.now();
        const step = now => {
          const t = Math.min(1, Math.max(0, (now - start) / duration)), eased = t * t * (3 - 2 * t);
          if (t >= 1) return end();
          index(core.between(before, next, eased));
          Object.assign(view, window(eased));
          place();
          cull();
          gliding = requestAnimationFrame(step);
        };
        landing = () => {
          canvas.show(next);
          done();
        };
        index(next);                        // asked for at once: what is to be, not what was
        gliding = requestAnimationFrame(step);
        return undefined;
      },
      /* The window alone, from where it is to {x, y, k}. */
      fly(to, duration, done) {
        canvas.stop();
        const from = { ...view }, { width, height } = bounds, start = performance.now();
        const land = () => {
          gliding = 0;
          look_at(to.x, to.y, to.k);
          if (done) done();
        };
        if (!duration) return land();
        const centre = v => [(width / 2 - v.x) / v.k, (height / 2 - v.y) / v.k], [ax, ay] = centre(from), [bx, by] = centre(to);
        const step = now => {
          const t = Math.min(1, Math.max(0, (now - start) / duration)), eased = t * t * (3 - 2 * t);
          if (t >= 1) return land();
          const k = from.k * (to.k / from.k) ** eased;
          const f = Math.abs(to.k - from.k) < 1e-9 ? eased : (1 / from.k - 1 / k) / (1 / from.k - 1 / to.k);
          look_at(width / 2 - (ax + (bx - ax) * f) * k, height / 2 - (ay + (by - ay) * f) * k, k);
          gliding = requestAnimationFrame(step);
          return undefined;
        };
        gliding = requestAnimationFrame(step);
        return undefined;
      },
      /* Where to look so that a rectangle fills the window, as large as `most` pixels a point at most. */
      around(box, most, margin = 28) {
        const low = bounds.width < Canvas.NARROW ? Math.max(margin, Canvas.BUTTONS) : margin, high = bounds.height - margin - low;
        const k = Math.min(most, (bounds.width - 2 * margin) / box.width, high / box.height);
        return { k, x: bounds.width / 2 - (box.x + box.width / 2) * k, y: margin + high / 2 - (box.y + box.height / 2) * k };
      },
      world: (clientX, clientY) => [(clientX - bounds.left - view.x) / view.k, (clientY - bounds.top - view.y) / view.k],
    };
    defined();
    return canvas;
  },
};
