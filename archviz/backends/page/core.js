// The figure in any state: the picture and the file are the command line's, byte for byte.
// In: the data of the page.  Out: arrangements, SVG.  Uses Marks, Svg, View, Sheet; nothing here touches the document.
"use strict";

const Core = (() => {
  const POINTS_PER_MM = 72.27 / 25.4;

  function quoted(word) { return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`; }

  // What is on a plate, from its corner, with bounds, for the screen: worked out once for each state of it.  A plate that is
  // only pushed aside is drawn as before, elsewhere.
  function standing(core, one) {
    if (!one.standing) {
      const own = new Map(View.placed(core, one, 0, 0, [], false).map(p => [p.item, p]));
      one.standing = one.plate.items.map(item => {
        const p = own.get(item);
        if (!p) {
          const inner = one.open.get(item.node), [dx, dy] = View.cornerOf(one.plate.places.get(item.node), one, inner);
          return {inner, dx, dy};
        }
        const at = p.rigid ? {x: item.place[0] + p.dx, y: item.place[1] + p.dy, width: item.place[2], height: item.place[3]}
          : p.what === "frame" ? Marks.frameOf(p.marks) : Marks.bounds(p.marks);
        const ends = p.what === "link" ? [item.src, item.dst].map(id => id.startsWith(View.STUB) ? "" : id) : ["", ""];
        return {dx: 0, dy: 0, ...p, ...at, node: item.node || "", src: ends[0], dst: ends[1], fade: 1};
      });
    }
    return one.standing;
  }

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
    core.legend = core.legend.map(entry => ({...entry, role: entry.roles[0], svg: new Svg.Writer(core).elements(entry.marks),
                                             width: core.sizes.swatch, height: core.sizes.swatch_height}));

    // What is open on a plate is measured again only where something in it has changed.
    core.measured = (key, opened) => {
      if (!core.memo.has(key)) core.memo.set(key, View.stretched(core, key, opened));
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
      for (const p of View.placed(core, one, 0, 0, [])) {
        marks.push(...(p.rigid ? p.item.marks.map(mark => Marks.moved(mark, p.dx, p.dy)) : p.marks));
      }
      return {marks, width: one.width, height: one.height};
    };
    const state = opened => [...opened].filter(id => core.plates[id]).sort((a, b) => a < b ? -1 : a > b ? 1 : 0)
      .flatMap(id => ["--expand", id.replace(/[*?[]/g, "[$&]")]);

    return Object.assign(core, {
      // Everything that shows, with its bounds; `opened` is a set of ids.
      arrange(opened) {
        const whole = measure(opened), found = [];
        const put = (one, x, y) => {
          for (const p of standing(core, one)) {
            if (p.inner) put(p.inner, x + p.dx, y + p.dy);
            else found.push({...p, x: x + p.x, y: y + p.y, dx: x + p.dx, dy: y + p.dy});
          }
        };
        put(whole, 0, 0);
        return {width: whole.width, height: whole.height, placed: found};
      },

      // The way from one arrangement to another: things that are in both move, the others fade.
      between(a, b, t) {
        const mix = (p, q) => p + (q - p) * t, before = new Map(a.placed.map(p => [p.key, p])), found = [];
        for (const now of b.placed) {
          const was = before.get(now.key);
          before.delete(now.key);
          found.push(was ? Marks.mixed(was, now, mix) : {...now, fade: t});
        }
        for (const gone of before.values()) found.push({...gone, fade: 1 - t});
        return {width: mix(a.width, b.width), height: mix(a.height, b.height), placed: found};
      },

      element(p) { return new Svg.Writer(core).elements(p.rigid ? p.item.marks : p.marks); },

      svg(opened) {
        const body = drawn(opened), {marks, width, height} = Sheet.figure(core, body.marks, body.width, body.height);
        const writer = new Svg.Writer(core);
        const page = core.background ? writer.elements([["P", "background", [["M", 0, 0], ["L", width, 0],
          ["L", width, height], ["L", 0, height], ["Z"]]]]) : "";
        const content = page + writer.elements(marks);
        const head = core.head.replace('height="0.35mm"', `height="${Svg.number(height / POINTS_PER_MM)}mm"`)
          .replace('viewBox="0 0 1 1"', `viewBox="0 0 ${Svg.number(width)} ${Svg.number(height)}"`)
          .replace('width="0.35mm"', `width="${Svg.number(width / POINTS_PER_MM)}mm"`);
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

  return {load};
})();
