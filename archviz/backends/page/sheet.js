// The page around a drawing: heading, legend and margins, as archviz/page.py has them.
// In: the marks of a drawing.  Out: those of the figure.  Uses Marks.
"use strict";

const Sheet = (() => {
  const {moved} = Marks;

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

  return {figure};
})();
