/* Colours: amounts on a perceptual scale, figures for paper on a dark ground, and what can be read on what.
   In: colours as `#rrggbb`, numbers.  Out: the same.  Touches no document. */
"use strict";

const Colour = {
  rgb: hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255),
  hex: rgb => "#" + rgb.map(v => Math.round(Math.min(1, Math.max(0, v)) * 255).toString(16).padStart(2, "0")).join(""),
  linear: v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4),
  gamma: v => (v <= 0.0031308 ? 12.92 * v : 1.055 * Math.max(v, 0) ** (1 / 2.4) - 0.055),

  /* OKLab (B. Ottosson, 2020): equal steps look equal. */
  lab(hex) {
    const [r, g, b] = Colour.rgb(hex).map(Colour.linear);
    const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
    const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
    const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
    return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
      0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
  },
  fromLab([L, a, b]) {
    const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
    return Colour.hex([4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s].map(Colour.gamma));
  },
  mixed: (a, b, t) => {
    const from = Colour.lab(a), to = Colour.lab(b);
    return Colour.fromLab(from.map((v, i) => v + (to[i] - v) * t));
  },

  luminance: hex => Colour.rgb(hex).map(Colour.linear).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0),
  contrast(a, b) {
    const [dark, light] = [Colour.luminance(a), Colour.luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  },
  /* Black or white, whichever is read more easily on `ground`. */
  ink: ground => (Colour.contrast("#000000", ground) >= Colour.contrast("#ffffff", ground) ? "#000000" : "#ffffff"),

  /* The same hue with light and dark exchanged: white paper becomes the dark ground, black ink nearly white. */
  turned: new Map(),
  night(hex) {
    const key = hex.toLowerCase();
    if (!Colour.turned.has(key)) {
      const [L, a, b] = Colour.lab(key);
      const vivid = Math.hypot(a, b), light = 0.965 - 0.745 * L ** 1.15 + 0.7 * vivid * L, muted = 0.85;
      Colour.turned.set(key, Colour.fromLab([light, a * muted, b * muted]));
    }
    return Colour.turned.get(key);
  },
  /* Every colour of an SVG text so turned; words are left alone, since a `"` in them is escaped. */
  nightly: svg => svg.replace(/((?:fill|stroke|stop-color|color)=")(#[0-9a-fA-F]{6})(?=")/g, (_, name, hex) => name + Colour.night(hex)),
};

const Scale = {
  /* Pale yellow to red on light ground, dark to bright on a dark one: lightness steps evenly, labels stay legible. */
  colour(t, dark) {
    const L = dark ? 0.28 + 0.28 * t : 0.97 - 0.27 * t;
    const hue = (dark ? 300 - 235 * t : 100 - 68 * t) * Math.PI / 180;
    const chroma = dark ? 0.06 + 0.08 * t : 0.035 + 0.125 * t;
    return Colour.fromLab([L, chroma * Math.cos(hue), chroma * Math.sin(hue)]);
  },

  /* From the values that are shown: where each lies between 0 and 1; logarithmic where they span more than 1 : 50. */
  of(values, bytes) {
    const positive = values.filter(v => v > 0);
    if (!positive.length) return null;
    const high = Math.max(...positive), low = Math.min(...positive);
    const log = high / low > 50;
    const from = log ? Math.log(low) : 0, to = log ? Math.log(high) : high;
    const at = v => (to > from ? Math.min(1, Math.max(0, ((log ? Math.log(v) : v) - from) / (to - from))) : 1);
    return { at: v => (v > 0 ? at(v) : null), log, low: log ? low : 0, high, ticks: Scale.ticks(log ? low : 0, high, log, at, bytes) };
  },

  /* Round numbers on it: three to five, of bytes powers of two. */
  ticks(low, high, log, at, bytes) {
    const found = [], base = bytes ? 2 : 10, power = v => Math.log(v) / Math.log(base);
    if (!log) {
      const unit = base ** Math.floor(power(high / 3)), step = (bytes ? [1, 2, 4] : [1, 2, 2.5, 5, 10]).map(m => m * unit).find(s => high / s <= 4.01) || high;
      for (let i = 0; i * step <= high * 1.0001; i++) found.push([i * step, at(i * step)]);
      return found;
    }
    const first = Math.ceil(power(low) - 1e-9), end = Math.floor(power(high) + 1e-9), step = Math.max(1, Math.ceil((end - first + 1) / 4));
    for (let p = first; p <= end; p += step) found.push([base ** p, at(base ** p)]);
    return found;
  },

  /* 36864 → "36.9K"; bytes in units of 1024. */
  written(value, bytes) {
    const base = bytes ? 1024 : 1000, units = bytes ? ["B", "KiB", "MiB", "GiB", "TiB"] : ["", "K", "M", "G", "T"];
    let i = 0, rest = value;
    while (rest >= base * 0.9995 && i < units.length - 1) {
      rest /= base;
      i++;
    }
    const said = i === 0 || rest >= 99.95 ? String(Math.round(rest)) : rest.toPrecision(3).replace(/\.?0+$/, "");
    return said + (bytes ? " " : "") + units[i];
  },
};
