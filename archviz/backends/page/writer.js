// Marks as the text of an SVG, as archviz/backends/svg.py writes it.
// In: marks, and how each role looks.  Out: text.  Uses Marks.
"use strict";

const Svg = (() => {
  const {lower} = Marks;

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

  return {Writer, number};
})();
