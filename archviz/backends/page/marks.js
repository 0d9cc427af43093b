// Marks, and the core marks that draw them: the same sums in the same order as archviz/scene.py.
// In and out: marks as lists, `_page.py` says of what.  Touches nothing else.
"use strict";

const Marks = (() => {
  const KAPPA = 0.5522847498;    // control length of a quarter circle as one cubic curve


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

  function blended(was, now, mix) {
    const found = {...now, x: mix(was.x, now.x), y: mix(was.y, now.y), width: mix(was.width, now.width),
                   height: mix(was.height, now.height)};
    Object.assign(found, {dx: mix(was.dx, now.dx), dy: mix(was.dy, now.dy)});
    if (now.rigid || was.marks === now.marks) return found;
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

  return {moved, lower, bounds, frameOf, mixed: blended};
})();
