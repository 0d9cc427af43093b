/* The model as a tree of plates, and what flows in it.
   In: the page's data.  Out: `Model.load(data)`: who stands where, what flows where, what is found by words.
   Touches neither the document nor the drawing.  Ids are any strings: they are keys of Maps only. */
"use strict";

const Model = {
  load(data) {
    const things = new Map(Object.entries(data.things));
    const children = new Map(), roles = new Map();
    const painted = marks => marks.flatMap(mark => (mark[0] === "G" ? [mark[1], ...painted(mark[4])] : [mark[1]]));
    for (const [key, plate] of Object.entries(data.plates)) {
      const standing = plate.items.filter(item => item.what === "node" && things.has(item.node));
      children.set(key, standing.map(item => item.node));
      for (const item of standing) roles.set(item.node, new Set(painted(item.marks).map(role => role.replace(/ band$/, ""))));
    }

    // Numbered outside in: what stands in a thing has the numbers from its own to `last`.
    const order = [], number = new Map(), last = [], depth = [];
    const walk = (plate, deep) => {
      for (const id of children.get(plate) || []) {
        const own = order.length;
        number.set(id, own);
        order.push(id);
        depth.push(deep);
        if (things.get(id).opens) walk(id, deep + 1);
        last[own] = order.length - 1;
      }
    };
    walk("", 0);

    const pairs = [];
    for (const [from, to] of data.edges) if (number.has(from) && number.has(to)) pairs.push([number.get(from), number.get(to)]);
    const into = order.map(() => []), out = order.map(() => []);
    for (const [from, to] of pairs) {
      out[from].push(to);
      into[to].push(from);
    }

    const parent = id => things.get(id).plate;
    const ancestors = id => {
      const found = [];
      for (let at = parent(id); at !== "" && things.has(at); at = parent(at)) found.unshift(at);
      return found;
    };
    return {
      things, children, roles, painted, order, number, last, depth, pairs, into, out, parent, ancestors,
      opening: order.filter(id => things.get(id).opens),
      level: id => depth[number.get(id)],
      within: (inner, outer) => inner >= outer && inner <= last[outer],
      /* All that stand in `id`, however deep. */
      inside: id => order.slice(number.get(id) + 1, last[number.get(id)] + 1),
      shown: (id, open) => ancestors(id).every(one => open.has(one)),
      /* The thing on the page that stands for `id`: itself, or the outermost closed one around it. */
      owner: (id, open) => ancestors(id).find(one => !open.has(one)) ?? id,
      /* `open` without what stands in something closed, which would open by surprise later. */
      settled: open => {
        const kept = new Set();
        for (const id of order) {
          const around = parent(id);
          if (open.has(id) && things.get(id).opens && (around === "" || kept.has(around))) kept.add(id);
        }
        return kept;
      },
    };
  },
};

/* ---------------------------------------------------------------------- where data comes from and goes to */

const Flow = {
  /* How everything relates to one thing: "self", "up" (on a way to it), "down" (on a way from it), "" (neither). */
  trace(model, id) {
    const start = model.number.get(id), size = model.order.length;
    const self = i => model.within(i, start);
    const reach = next => {
      const seen = new Uint8Array(size), waiting = [];
      for (let i = start; i <= model.last[start]; i++) waiting.push(i);
      while (waiting.length) {
        for (const other of next[waiting.pop()]) {
          if (!seen[other] && !self(other)) {
            seen[other] = 1;
            waiting.push(other);
          }
        }
      }
      return seen;
    };
    const up = reach(model.into), down = reach(model.out);
    const sum = marks => {
      const sums = new Uint32Array(size + 1);
      for (let i = 0; i < size; i++) sums[i + 1] = sums[i] + marks[i];
      return (first, end) => sums[end + 1] - sums[first];
    };
    const ups = sum(up), downs = sum(down);
    const ways = { up: model.pairs.filter(([, to]) => self(to) || up[to]), down: model.pairs.filter(([from]) => self(from) || down[from]) };
    return {
      count: { up: up.reduce((a, b) => a + b, 0), down: down.reduce((a, b) => a + b, 0) },
      /* Of a thing. */
      of: one => {
        const i = model.number.get(one), end = model.last[i];
        if (i === start || self(i)) return "self";
        return ups(i, end) ? "up" : downs(i, end) ? "down" : "";
      },
      /* Of many links at once: the key of each that is on a way → "up", "down".  One that ends at no thing crosses the
         border of its plate: it comes from anywhere outside, or goes there. */
      links: placed => {
        const found = new Map(), leaving = new Map(), entering = new Map();
        const add = (map, key, value) => (map.has(key) ? map.get(key).push(value) : map.set(key, [value]));
        for (const { src, dst, key, plate } of placed) {
          if (model.number.has(src)) add(leaving, src, [model.number.get(dst), key]);
          else if (model.number.has(dst)) add(entering, plate, [model.number.get(dst), key]);
        }
        for (const way of ["up", "down"]) {
          for (const [a, b] of ways[way]) {
            for (let at = model.order[a]; at !== "" && !model.within(b, model.number.get(at)); at = model.parent(at)) {
              const plate = model.parent(at), outside = plate !== "" && !model.within(b, model.number.get(plate));
              for (const [dst, key] of leaving.get(at) || []) {
                if (!found.has(key) && (dst === undefined ? outside : model.within(b, dst))) found.set(key, way);
              }
            }
            for (let plate = model.parent(model.order[b]); plate !== "" && !model.within(a, model.number.get(plate)); plate = model.parent(plate)) {
              for (const [dst, key] of entering.get(plate) || []) {
                if (!found.has(key) && model.within(b, dst)) found.set(key, way);
              }
            }
          }
        }
        return found;
      },
    };
  },
};

/* ---------------------------------------------------------------------------------------------- finding */

const Search = {
  /* Everything that `query` means, in trace order.
     Words stand for themselves anywhere in path, label, operation, kind, class or shape; `*` for any letters;
     `64x56` for a shape; `>1M params`, `macs<2G`, `memory>10M` for amounts.  All words must fit. */
  find(model, query) {
    const tests = Search.tests(query);
    if (!tests.length) return [];
    return model.order.filter(id => {
      const words = Search.words(model, id), thing = model.things.get(id);
      return tests.every(test => test(words, thing));
    });
  },

  tests(query) {
    const amount = /(?:\b(params|parameters|macs|memory)\s*)?([<>]=?)\s*([\d.]+)\s*([kmgt]?)b?\b(?:\s*(params|parameters|macs|memory)\b)?/gi;
    const tests = [];
    const rest = query.replace(amount, (_, before, sign, number, unit, after) => {
      const what = (before || after || "params").toLowerCase().replace("parameters", "params");
      const limit = Number(number) * { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }[unit.toLowerCase()];
      tests.push((words, thing) => {
        const value = thing[what] || 0;
        return sign[0] === ">" ? value > limit || (sign[1] && value === limit) : value < limit || (sign[1] && value === limit);
      });
      return " ";
    });
    for (const word of rest.toLowerCase().split(/\s+/).filter(Boolean)) {
      if (word.includes("*")) {
        const pattern = word.split("*").map(part => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
        const fits = new RegExp(`^${pattern}$`);
        tests.push(words => words.some(one => fits.test(one)));
      } else {
        const shape = word.replace(/(\d)[x×](?=\d)/g, "$1×");
        tests.push(words => words.some(one => one.includes(word) || one.includes(shape)));
      }
    }
    return tests;
  },

  known: new WeakMap(),
  words(model, id) {
    const thing = model.things.get(id);
    if (!Search.known.has(thing)) {
      const facts = (thing.facts || []).filter(([name]) => name === "class").map(([, value]) => value);
      const said = [thing.path, id, ...(thing.copies || []), thing.label, thing.op, thing.kind, thing.out, thing.in, ...facts];
      Search.known.set(thing, said.filter(Boolean).map(one => String(one).toLowerCase()));
    }
    return Search.known.get(thing);
  },
};
