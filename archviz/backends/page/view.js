// What stands where once things are open: the same sums in the same order as archviz/view.py.
// In: plates, the ids that are open.  Out: plates with room, and every item in its place.  Uses nothing else.
"use strict";

const View = (() => {
  const EPS = 1e-6, NEAR = 0.5, STUB = "/port:";
  const TOP_BOTTOM = ["top", "bottom"], LEFT_RIGHT = ["left", "right"];

  // ---------------------------------------------------------------------------------------------- how much room

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

  // ---------------------------------------------------------------------------------------------- where it is

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
  // Without `deep`, not what is inside of what is open.
  function placed(core, one, x, y, found, deep = true) {
    const {plate} = one, corners = new Map();
    for (const [key, inner] of one.open) corners.set(key, cornerOf(plate.places.get(key), one, inner));
    plate.items.forEach((item, index) => {
      const key = `${plate.key}#${index}`;
      if (item.node !== undefined && one.open.has(item.node)) {
        const [dx, dy] = corners.get(item.node);
        if (deep) placed(core, one.open.get(item.node), x + dx, y + dy, found);
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

  return {stretched, placed, cornerOf, STUB};
})();
