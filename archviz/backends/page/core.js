// What stands where, and how it is written: the same sums in the same order as archviz/view.py and archviz/page.py,
// the same text as archviz/backends/svg.py, so that the figure that the page exports is the command line's, byte for
// byte.  In: the data of the page.  Out: arrangements, SVG.  Nothing here touches the document.
"use strict";

const Core = (() => {
  const EPS = 1e-6, NEAR = 0.5, STUB = "/port:", KAPPA = 0.5522847498, POINTS_PER_MM = 72.27 / 25.4;
  const TOP_BOTTOM = ["top", "bottom"], LEFT_RIGHT = ["left", "right"];

  // ---------------------------------------------------------------------------------------------- view.py: how much room

  function shift(steps, at) {
    let room = 0;
    for (const [where, more] of steps) {
      if (where >= at) break;
      room += more;
    }
    return room;
  }

  function portAt(one, port) {
    const [side, at] = port;
    if (TOP_BOTTOM.includes(side)) return [at + shift(one.steps[0], at), side === "top" ? 0 : one.height];
    return [side === "left" ? 0 : one.width, at + shift(one.steps[1], at)];
  }

  function stretched(core, key, opened, given = [[], []]) {
    const plate = core.plates[key];
    const held = plate.items.filter(item => item.what === "node" && opened.has(item.node) && core.plates[item.node]);
    if (!held.length && !given[0].length && !given[1].length) return plate.closed;
    const inner = new Map(held.map(item => [item.node, core.measured(item.node, opened)]));
    const steps = [0, 1].map(axis => stepsOf(knots(held, inner, axis), given[axis]));
    for (const item of held) {
      const wide = [0, 1].map(axis => wider(item, inner.get(item.node), steps, axis));
      if (wide[0].length || wide[1].length) inner.set(item.node, stretched(core, item.node, opened, wide));
    }
    const width = plate.width + shift(steps[0], plate.width), height = plate.height + shift(steps[1], plate.height);
    return {plate, steps, width, height, open: inner};
  }

  function along(place, axis) { return axis === 0 ? [place[0], place[2]] : [place[1], place[3]]; }

  function endsOf(inner, axis) {
    const sides = axis === 0 ? TOP_BOTTOM : LEFT_RIGHT, found = new Map();
    for (const port of inner.plate.ports) {
      if (sides.includes(port[0])) found.set(port[2], [port[2], portAt(inner, port)[axis], port[1]]);
    }
    return [...found.keys()].sort((a, b) => a - b).map(held => found.get(held));
  }

  function knots(held, inner, axis) {
    return held.map(item => {
      const [start, length] = along(item.place, axis), one = inner.get(item.node), ends = endsOf(one, axis);
      return [[start, ...ends.map(end => start + end[0]), start + length],
              [0, ...ends.map(end => end[1]), axis === 0 ? one.width : one.height]];
    });
  }

  function stepsOf(knots, given) {
    const starts = new Set(knots.map(([old]) => old[0])), ends = new Set(knots.map(([old]) => old[old.length - 1]));
    const needs = new Map(), places = new Set([...starts, ...ends]);
    const need = (end, start, length) => {
      if (!needs.has(end)) needs.set(end, []);
      needs.get(end).push([start, length]);
    };
    for (const [old, fresh] of knots) {
      for (let i = 0; i < old.length - 1; i++) {
        need(old[i + 1], old[i], fresh[i + 1] - fresh[i]);
        places.add(old[i + 1]);
      }
    }
    for (const [start, end, length] of given) {
      need(end, start, length);
      places.add(start).add(end);
    }
    const at = new Map(), steps = [];
    let last = null;
    for (const place of [...places].sort((a, b) => a - b)) {
      if (last === null) at.set(place, place);
      else {
        let best = at.get(last) + (place - last);
        for (const [start, length] of needs.get(place) || []) {
          if (start < place) best = Math.max(best, at.get(start) + length);
        }
        at.set(place, best);
        const more = best - at.get(last) - (place - last);
        if (more > EPS) steps.push(...put(last, place, more, starts.has(last), ends.has(place)));
      }
      last = place;
    }
    return steps;
  }

  function put(a, b, more, starts, ends) {
    if (starts && ends) return [[a + EPS, more / 2], [b - EPS, more / 2]];
    if (starts) return [[a + EPS, more]];
    if (ends) return [[b - EPS, more]];
    return [[(a + b) / 2, more]];
  }

  function wider(item, inner, steps, axis) {
    const [start] = along(item.place, axis), ends = endsOf(inner, axis), found = [];
    for (let i = 0; i + 1 < ends.length; i++) {
      const a = start + ends[i][0], b = start + ends[i + 1][0];
      const apart = b + shift(steps[axis], b) - (a + shift(steps[axis], a));
      if (apart > ends[i + 1][1] - ends[i][1] + EPS) found.push([ends[i][2], ends[i + 1][2], apart]);
    }
    return found;
  }

  // ---------------------------------------------------------------------------------------------- view.py: where it is

  function cornerOf(place, one, inner) {
    return [TOP_BOTTOM, LEFT_RIGHT].map((sides, axis) => {
      const [start, length] = along(place, axis), steps = one.steps[axis];
      let first = null;
      for (const port of inner.plate.ports) {
        if (sides.includes(port[0]) && (first === null || port[2] < first[2])) first = port;
      }
      if (first !== null) {
        const at = start + first[2];
        return at + shift(steps, at) - portAt(inner, first)[axis];
      }
      const end = start + length, room = end + shift(steps, end) - (start + shift(steps, start));
      return start + shift(steps, start) + (room - (axis === 0 ? inner.width : inner.height)) / 2;
    });
  }

  function movedBy(place, steps) {
    return [shift(steps[0], place[0] + place[2] / 2), shift(steps[1], place[1] + place[3] / 2)];
  }

  // Every item that shows, with what it takes to draw it, outer plates first in the order of the marks.
  function placed(core, one, x, y, found) {
    const {plate} = one, corners = new Map();
    for (const [key, inner] of one.open) corners.set(key, cornerOf(plate.places.get(key), one, inner));
    plate.items.forEach((item, index) => {
      const key = `${plate.key}#${index}`;
      if (item.node !== undefined && one.open.has(item.node)) {
        const [dx, dy] = corners.get(item.node);
        placed(core, one.open.get(item.node), x + dx, y + dy, found);
      } else if (item.what === "node" && !item.spans) {
        const [dx, dy] = movedBy(item.place, one.steps);
        found.push({key, item, plate: plate.key, what: "node", rigid: true, dx: x + dx, dy: y + dy});
      } else if (item.what !== "ray" || !one.open.size) {
        const line = item.what === "link";
        const ends = line ? [item.src, item.dst].map(id => endOf(plate, one, corners, item, id)) : [null, null];
        const goesOn = line && (one.open.has(item.dst) || item.dst.startsWith(STUB));
        found.push({key, item, plate: plate.key, what: item.what, rigid: false,
                    marks: item.marks.map(mark => mapped(mark, one.steps, x, y, ends, goesOn))});
      }
    });
    return found;
  }

  function endOf(plate, one, corners, item, id) {
    if (one.open.has(id)) {
      const inner = one.open.get(id), [dx, dy] = corners.get(id);
      for (const port of inner.plate.ports) {
        if (port[3] === item.src && port[4] === item.dst) {
          const [px, py] = portAt(inner, port);
          return ["at", dx + px, dy + py, plate.nodes.get(id)];
        }
      }
      return null;
    }
    const node = plate.nodes.get(id);
    return node && !node.spans ? ["by", ...movedBy(node.place, one.steps), node] : null;
  }

  function touches({place: [x, y, width, height], reach: [bx, by] = [0, 0]}, [px, py]) {
    return x + Math.min(bx, 0) - NEAR <= px && px <= x + width + Math.max(bx, 0) + NEAR
      && y + Math.min(by, 0) - NEAR <= py && py <= y + height + Math.max(by, 0) + NEAR;
  }

  function mapped(mark, steps, x, y, ends, goesOn) {
    const tx = px => x + px + shift(steps[0], px), ty = py => y + py + shift(steps[1], py);
    switch (mark[0]) {
      case "G": {
        const inside = mark[4].map(inner => mapped(inner, steps, x, y, ends, goesOn));
        return ["G", mark[1], mark[2], mark[3], inLine(mark[4], inside)];
      }
      case "L": {
        const points = joined(mark[2], mark[2].map(([px, py]) => [tx(px), ty(py)]), x, y, ends);
        return ["L", mark[1], points, mark[3], mark[4] && !goesOn, mark[5]];
      }
      case "P":
        return ["P", mark[1], mark[2].map(([letter, ...values]) =>
          [letter, ...values.map((v, i) => i % 2 ? ty(v) : tx(v))])];
      case "B": {
        const ax = tx(mark[2]), ay = ty(mark[3]), bx = tx(mark[2] + mark[4]), by = ty(mark[3] + mark[5]);
        return ["B", mark[1], ax, ay, bx - ax, by - ay, mark[6]];
      }
      default:
        return [mark[0], mark[1], tx(mark[2]), ty(mark[3]), ...mark.slice(4)];
    }
  }

  function inLine(rest, marks) {
    let first = null;
    return marks.map((mark, i) => {
      if (mark[0] !== "T") return mark;
      first = first || [rest[i], mark];
      const [was, now] = first;
      return ["T", mark[1], now[2] + (rest[i][2] - was[2]), now[3] + (rest[i][3] - was[3]), ...mark.slice(4)];
    });
  }

  function joined(rest, points, x, y, ends) {
    if (points.length < 2) return points;
    ends.forEach((end, last) => {
      const restAt = last ? rest[rest.length - 1] : rest[0], restNear = last ? rest[rest.length - 2] : rest[1];
      if (end === null || !touches(end[3], restAt)) return;
      const [how, dx, dy] = end, count = points.length;
      const at = last ? count - 1 : 0, near = last ? count - 2 : 1;
      const ex = how === "at" ? x + dx : x + restAt[0] + dx, ey = how === "at" ? y + dy : y + restAt[1] + dy;
      const upright = Math.abs(restAt[0] - restNear[0]) < EPS, [nx, ny] = points[near];
      const away = upright ? Math.abs(ex - nx) : Math.abs(ey - ny);
      points[at] = [ex, ey];
      if (away < EPS) points[at] = upright ? [nx, ey] : [ex, ny];
      else if (count > 2) points[near] = upright ? [ex, ny] : [nx, ey];
      else {
        const turn = upright ? [[ex, (ey + ny) / 2], [nx, (ey + ny) / 2]] : [[(ex + nx) / 2, ey], [(ex + nx) / 2, ny]];
        points.splice(1, 0, ...(last ? turn.reverse() : turn));
      }
    });
    return points;
  }

  // ---------------------------------------------------------------------------------------------- scene.py: marks

  function moved(mark, dx, dy) {
    switch (mark[0]) {
      case "G": return ["G", mark[1], mark[2], mark[3], mark[4].map(inner => moved(inner, dx, dy))];
      case "P": return ["P", mark[1], mark[2].map(([c, ...values]) => [c, ...values.map((v, i) => v + (i % 2 ? dy : dx))])];
      case "L": return ["L", mark[1], mark[2].map(([px, py]) => [px + dx, py + dy]), ...mark.slice(3)];
      default: return [mark[0], mark[1], mark[2] + dx, mark[3] + dy, ...mark.slice(4)];
    }
  }

  function lower(mark) {
    switch (mark[0]) {
      case "B": {
        const [, role, x, y, w, h, radius] = mark;
        return [["P", role, rounded(x, y, w, h, Math.min(radius, w / 2, h / 2))]];
      }
      case "O": {
        const [, role, x, y, r] = mark, k = KAPPA * r;
        return [["P", role, [["M", x + r, y], ["C", x + r, y + k, x + k, y + r, x, y + r],
          ["C", x - k, y + r, x - r, y + k, x - r, y], ["C", x - r, y - k, x - k, y - r, x, y - r],
          ["C", x + k, y - r, x + r, y - k, x + r, y], ["Z"]]]];
      }
      case "L": return link(mark);
      default: return [mark];
    }
  }

  function rounded(x, y, w, h, r) {
    if (r <= 0) return [["M", x, y], ["L", x + w, y], ["L", x + w, y + h], ["L", x, y + h], ["Z"]];
    const c = r * (1 - KAPPA);
    return [["M", x + r, y], ["L", x + w - r, y], ["C", x + w - c, y, x + w, y + c, x + w, y + r],
            ["L", x + w, y + h - r], ["C", x + w, y + h - c, x + w - c, y + h, x + w - r, y + h],
            ["L", x + r, y + h], ["C", x + c, y + h, x, y + h - c, x, y + h - r],
            ["L", x, y + r], ["C", x, y + c, x + c, y, x + r, y], ["Z"]];
  }

  function link([, role, given, radius, arrow, headLength]) {
    let points = simplified(given);
    if (points.length < 2) return [];
    let head = [];
    if (arrow) {
      const [[ax, ay], [bx, by]] = points.slice(-2);
      const length = Math.max(Math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay)), 1e-9);
      const ux = (bx - ax) / length, uy = (by - ay) / length, back = Math.min(headLength, length), half = headLength * 0.42;
      const base = [bx - ux * back, by - uy * back];
      head = [["P", `${role} head`, [["M", bx, by], ["L", base[0] - uy * half, base[1] + ux * half],
        ["L", bx - ux * back * 0.8, by - uy * back * 0.8], ["L", base[0] + uy * half, base[1] - ux * half], ["Z"]]]];
      points = [...points.slice(0, -1), [bx - ux * back * 0.8, by - uy * back * 0.8]];
    }
    const commands = [["M", ...points[0]]];
    for (let i = 1; i + 1 < points.length; i++) {
      const corner = points[i], into = toward(corner, points[i - 1], radius), out = toward(corner, points[i + 1], radius);
      const k = 1 - KAPPA;
      commands.push(["L", ...into],
        ["C", into[0] + (corner[0] - into[0]) * (1 - k), into[1] + (corner[1] - into[1]) * (1 - k),
         out[0] + (corner[0] - out[0]) * (1 - k), out[1] + (corner[1] - out[1]) * (1 - k), ...out]);
    }
    commands.push(["L", ...points[points.length - 1]]);
    return [["P", role, commands], ...head];
  }

  function simplified(points) {
    const kept = [];
    for (const p of points) {
      const last = kept[kept.length - 1];
      if (last && Math.abs(last[0] - p[0]) < 1e-6 && Math.abs(last[1] - p[1]) < 1e-6) continue;
      if (kept.length > 1) {
        const [[ax, ay], [bx, by]] = kept.slice(-2);
        if (Math.abs((bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax)) < 1e-6) kept.pop();
      }
      kept.push(p);
    }
    return kept;
  }

  function toward(corner, other, radius) {
    const dx = other[0] - corner[0], dy = other[1] - corner[1];
    const length = Math.max(Math.sqrt(dx * dx + dy * dy), 1e-9), r = Math.min(radius, length / 2);
    return [corner[0] + dx / length * r, corner[1] + dy / length * r];
  }

  // ---------------------------------------------------------------------------------------------- svg.py: text

  function number(value) {
    let written = value.toFixed(2);
    const eighths = value * 8;
    if (Number.isInteger(eighths) && eighths % 2 !== 0) {   // exactly between two hundredths: to the even one, as Python
      const hundredths = Math.floor(Math.abs(value) * 100);
      written = ((hundredths % 2 ? hundredths + 1 : hundredths) / 100 * Math.sign(value)).toFixed(2);
    }
    written = written.replace(/0+$/, "").replace(/\.$/, "");
    return written === "-0" ? "0" : written;
  }

  const escapeText = said => said.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const escapeValue = said => escapeText(said).replace(/"/g, "&quot;").replace(/\r/g, "&#13;").replace(/\n/g, "&#10;")
    .replace(/\t/g, "&#09;");

  function tag(name, attributes, content = "") {
    const written = Object.keys(attributes).sort().map(key => ` ${key}="${escapeValue(attributes[key])}"`).join("");
    return content ? `<${name}${written}>${content}</${name}>` : `<${name}${written} />`;
  }

  function bare(mark, look = {}) {
    if (mark[0] === "P") {
      return tag("path", {...look, d: mark[2].map(([letter, ...values]) => letter + values.map(number).join(" ")).join("")});
    }
    const [, , x, y, string, , rotate] = mark, own = {...look, x: number(x), y: number(y)};
    if (rotate) own.transform = `rotate(${number(rotate)} ${number(x)} ${number(y)})`;
    return tag("text", own, escapeText(string));
  }

  class Writer {
    constructor(core) {
      this.core = core;
      this.ids = new Map();
      this.patterns = new Map();
    }

    elements(marks) {
      const core = marks.flatMap(lower), written = [];
      for (let i = 0; i < core.length;) {
        const key = lookOf(core[i]);
        if (key === null) {
          written.push(this.group(core[i++]));
          continue;
        }
        let end = i + 1;
        while (end < core.length && lookOf(core[end]) === key) end++;
        const same = core.slice(i, end), role = this.core.roles[same[0][1]];
        if (same[0][0] === "P" && role.hatch) written.push(this.hatched(same, role));
        else if (same.length === 1) written.push(bare(same[0], this.look(same[0], role)));
        else written.push(tag("g", this.look(same[0], role), same.map(mark => bare(mark)).join("")));
        i = end;
      }
      return written.join("");
    }

    look(mark, role) {
      const look = {class: role.class, ...(mark[0] === "T" ? role.words : role.shape)};
      if (mark[0] === "T" && mark[5] !== "start") look["text-anchor"] = mark[5];
      return look;
    }

    hatched(same, role) {
      const [name, pattern] = role.hatch;
      this.patterns.set(name, pattern);
      return tag("g", {...this.look(same[0], role), fill: `url(#${name})`}, same.map(mark =>
        (role.fill ? bare(mark, {fill: role.fill, stroke: "none"}) : "") + bare(mark)).join(""));
    }

    group([, role, node, title, marks]) {
      const own = {};
      if (role) own.class = role.split(/\s+/).filter(Boolean).join("-");
      if (node) {
        own.id = this.id(node);
        own["data-node"] = node;
      }
      return tag("g", own, (title ? tag("title", {}, escapeText(title)) : "") + this.elements(marks));
    }

    id(node) {
      const name = `${this.core.uid}-${node.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "")}`;
      const count = (this.ids.get(name) || 0) + 1;
      this.ids.set(name, count);
      return count === 1 ? name : this.id(`${node}-${count}`);
    }

    defs() { return this.patterns.size ? tag("defs", {}, [...this.patterns.values()].join("")) : ""; }
  }

  function lookOf(mark) {
    return mark[0] === "G" ? null : `${mark[0]}\0${mark[1]}\0${mark[0] === "T" ? mark[5] : ""}`;
  }

  // ---------------------------------------------------------------------------------------------- page.py: the figure

  function rolesOf(marks, found = new Set()) {
    for (const mark of marks) {
      if (mark[0] === "G") rolesOf(mark[4], found);
      else found.add(mark[1].replace(/ band$/, ""));
    }
    return found;
  }

  function rows(entries, sizes, limit) {
    const found = [];
    for (const entry of entries) {
      const wide = sizes.swatch + 3.0 + entry.wide;
      let x = found.length ? found[found.length - 1].wide + sizes.legend_between : 0.0;
      if (!found.length || x + wide > limit) {
        found.push({wide: 0.0, entries: []});
        x = 0.0;
      }
      const row = found[found.length - 1];
      row.wide = x + wide;
      row.entries.push([x, entry]);
    }
    return found;
  }

  function lineWidth(words) {
    return words.reduce((sum, word) => sum + word.width, 0) + 6.0 * (words.length - 1);
  }

  function lineHeight(words) { return Math.max(...words.map(word => word.size)) * 1.35; }

  function figure(core, marks, width, height) {
    const {sizes, heading} = core, margin = sizes.margin, seen = rolesOf(marks);
    const entries = core.legend.filter(entry => entry.roles.some(role => seen.has(role)))
      .filter((entry, i, all) => all.findIndex(other => other.name === entry.name) === i);
    const high = heading.reduce((sum, words) => sum + lineHeight(words), 0) + (heading.length ? 4.0 : 0.0);
    let inner = Math.max(width, ...heading.map(lineWidth));
    const lines = rows(entries, sizes, Math.max(inner, Math.min(sizes.page - 2 * margin, 150.0)));
    inner = Math.max(inner, ...lines.map(row => row.wide));
    const below = lines.length * sizes.legend_row + (lines.length ? sizes.legend_gap : 0.0);
    const whole = inner + 2 * margin, tall = high + height + below + 2 * margin;
    const drawn = [];
    let y = margin;
    for (const words of heading) {
      y += lineHeight(words);
      let x = margin;
      for (const word of words) {
        drawn.push(["T", word.role, x, y - word.size * 0.3, word.string, "start", 0]);
        x += word.width + 6.0;
      }
    }
    const top = margin + high;
    for (const mark of marks) drawn.push(moved(mark, (whole - width) / 2, top));
    const told = legend(entries, sizes, whole - 2 * margin, top + height + sizes.legend_gap);
    if (told.length) drawn.push(["G", "legend", "", "", told]);
    return {marks: drawn, width: whole, height: tall};
  }

  function legend(entries, sizes, inner, y) {
    const marks = [];
    for (const row of rows(entries, sizes, inner + 0.01)) {
      const start = sizes.margin + (inner - row.wide) / 2;
      for (const [x, entry] of row.entries) {
        const middle = y + sizes.legend_row / 2;
        for (const mark of entry.marks) marks.push(moved(mark, start + x, middle - sizes.swatch_height / 2));
        marks.push(["T", "legend", start + x + sizes.swatch + 3.0, middle + sizes.legend * 0.35, entry.name, "start", 0]);
      }
      y += sizes.legend_row;
    }
    return marks;
  }

  // ---------------------------------------------------------------------------------------------- what a page asks for

  function bounds(marks) {
    let [left, top, right, low] = [Infinity, Infinity, -Infinity, -Infinity];
    const reach = (x, y) => {
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x);
      low = Math.max(low, y);
    };
    const visit = mark => {
      if (mark[0] === "G") mark[4].forEach(visit);
      else if (mark[0] === "L") mark[2].forEach(([x, y]) => reach(x, y));
      else if (mark[0] === "B") { reach(mark[2], mark[3]); reach(mark[2] + mark[4], mark[3] + mark[5]); }
      else if (mark[0] === "O") { reach(mark[2] - mark[4], mark[3] - mark[4]); reach(mark[2] + mark[4], mark[3] + mark[4]); }
      else if (mark[0] === "T") {
        const long = mark[4].length * 3.6, from = {start: 0, middle: -long / 2, end: -long}[mark[5]];
        reach(mark[2] + from, mark[3] - 6);
        reach(mark[2] + from + long, mark[3] + 2);
      } else for (const [, ...v] of mark[2]) for (let i = 0; i < v.length; i += 2) reach(v[i], v[i + 1]);
    };
    marks.forEach(visit);
    return {x: left, y: top, width: right - left, height: low - top};
  }

  function frameOf(marks) {
    const box = marks.flatMap(mark => mark[0] === "G" ? mark[4] : [mark]).filter(mark => mark[0] === "B").pop();
    return box ? {x: box[2], y: box[3], width: box[4], height: box[5]} : bounds(marks);
  }

  function quoted(word) { return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`; }

  function load(data) {
    const core = {...data, command_words: data.command, memo: new Map(), last: new Set()};
    for (const [key, plate] of Object.entries(core.plates)) {
      plate.key = key;
      plate.places = new Map(plate.items.filter(item => item.what === "node").map(item => [item.node, item.place]));
      plate.nodes = new Map(plate.items.filter(item => item.what === "node").map(item => [item.node, item]));
      plate.closed = {plate, steps: [[], []], width: plate.width, height: plate.height, open: new Map()};
    }
    core.plates = Object.assign(Object.create(null), core.plates);
    core.things = Object.assign(Object.create(null), core.things);
    core.legend = core.legend.map(entry => ({...entry, role: entry.roles[0], svg: new Writer(core).elements(entry.marks),
                                             width: core.sizes.swatch, height: core.sizes.swatch_height}));

    // What is open on a plate is measured again only where something in it has changed.
    core.measured = (key, opened) => {
      if (!core.memo.has(key)) core.memo.set(key, stretched(core, key, opened));
      return core.memo.get(key);
    };
    const measure = opened => {
      const forget = id => {
        for (let key = id; key !== undefined; key = key === "" ? undefined : core.things[key]?.plate) core.memo.delete(key);
      };
      for (const id of opened) if (!core.last.has(id)) forget(id);
      for (const id of core.last) if (!opened.has(id)) forget(id);
      core.last = new Set(opened);
      return core.measured("", opened);
    };
    const drawn = opened => {
      const one = measure(opened), marks = [];
      for (const p of placed(core, one, 0, 0, [])) {
        marks.push(...(p.rigid ? p.item.marks.map(mark => moved(mark, p.dx, p.dy)) : p.marks));
      }
      return {marks, width: one.width, height: one.height};
    };
    const state = opened => [...opened].filter(id => core.plates[id]).sort((a, b) => a < b ? -1 : a > b ? 1 : 0)
      .flatMap(id => ["--expand", id.replace(/[*?[]/g, "[$&]")]);

    return Object.assign(core, {
      // Everything that shows, with its bounds; `opened` is a set of ids.
      arrange(opened) {
        const one = measure(opened);
        const found = placed(core, one, 0, 0, []).map(p => {
          const {item} = p;
          const at = p.rigid ? {x: item.place[0] + p.dx, y: item.place[1] + p.dy, width: item.place[2], height: item.place[3]}
            : p.what === "frame" ? frameOf(p.marks) : bounds(p.marks);
          const ends = p.what === "link" ? [item.src, item.dst].map(id => id.startsWith(STUB) ? "" : id) : ["", ""];
          return {...p, ...at, node: item.node || "", src: ends[0], dst: ends[1], fade: 1};
        });
        return {width: one.width, height: one.height, placed: found};
      },

      // The way from one arrangement to another: things that are in both move, the others fade.
      between(a, b, t) {
        const mix = (p, q) => p + (q - p) * t, before = new Map(a.placed.map(p => [p.key, p])), found = [];
        for (const now of b.placed) {
          const was = before.get(now.key);
          before.delete(now.key);
          found.push(was ? blended(was, now, mix) : {...now, fade: t});
        }
        for (const gone of before.values()) found.push({...gone, fade: 1 - t});
        return {width: mix(a.width, b.width), height: mix(a.height, b.height), placed: found};
      },

      element(p) { return new Writer(core).elements(p.rigid ? p.item.marks : p.marks); },

      svg(opened) {
        const body = drawn(opened), {marks, width, height} = figure(core, body.marks, body.width, body.height);
        const writer = new Writer(core);
        const page = core.background ? writer.elements([["P", "background", [["M", 0, 0], ["L", width, 0],
          ["L", width, height], ["L", 0, height], ["Z"]]]]) : "";
        const content = page + writer.elements(marks);
        const head = core.head.replace('height="0.35mm"', `height="${number(height / POINTS_PER_MM)}mm"`)
          .replace('viewBox="0 0 1 1"', `viewBox="0 0 ${number(width)} ${number(height)}"`)
          .replace('width="0.35mm"', `width="${number(width / POINTS_PER_MM)}mm"`);
        return head + writer.defs() + content + "</svg>";
      },

      // The command line that draws these bytes, and the one that lays the same modules out for a page.
      command(opened) {
        return [...core.command_words, "--in-place", "--depth", "0", ...state(opened), "-o", "figure.svg"].map(quoted).join(" ");
      },
      paper(opened) {
        const modules = [...opened].filter(id => core.things[id]?.module);
        return [...core.command_words, ...(core.nested ? ["--depth", "0"] : []), ...state(modules), "-o", "figure.pdf"].map(quoted).join(" ");
      },

      defs() {
        const found = new Map(Object.values(core.roles).filter(role => role.hatch).map(role => role.hatch));
        return [...found.values()].join("");
      },
    });
  }

  function blended(was, now, mix) {
    const found = {...now, x: mix(was.x, now.x), y: mix(was.y, now.y), width: mix(was.width, now.width),
                   height: mix(was.height, now.height)};
    if (now.rigid) return {...found, dx: mix(was.dx, now.dx), dy: mix(was.dy, now.dy)};
    const marks = now.marks.map((mark, i) => mixed(was.marks[i], mark, mix));
    return {...found, marks};
  }

  // Between two drawings of one mark; a line that has a bend more or less is drawn as it will be.
  function mixed(was, now, mix) {
    if (!was || was[0] !== now[0]) return now;
    switch (now[0]) {
      case "G": return [...now.slice(0, 4), now[4].map((mark, i) => mixed(was[4][i], mark, mix))];
      case "L": return was[2].length === now[2].length ? ["L", now[1], now[2].map(([x, y], i) =>
        [mix(was[2][i][0], x), mix(was[2][i][1], y)]), ...now.slice(3)] : now;
      case "P": return ["P", now[1], now[2].map(([c, ...v], i) => [c, ...v.map((n, k) => mix(was[2][i][k + 1], n))])];
      case "B": return ["B", now[1], ...[2, 3, 4, 5].map(i => mix(was[i], now[i])), now[6]];
      default: return [now[0], now[1], mix(was[2], now[2]), mix(was[3], now[3]), ...now.slice(4)];
    }
  }

  return {load};
})();

if (typeof module !== "undefined") module.exports = {Core};
