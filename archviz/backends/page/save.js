/* Out of the page: the figure as a file, command lines to the clipboard.  Nothing leaves the machine.
   In: `app`.  Out: nothing. */
"use strict";

const Save = {
  DENSE: 2,           // pixels of a PNG for each of CSS

  make(app) {
    const { at, core, state, look, model, data } = app;
    const name = suffix => `${(data.title || "figure").replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|-+$/g, "") || "figure"}.${suffix}`;
    const hand = (blob, file) => {
      const link = document.createElement("a"), url = URL.createObjectURL(blob);
      link.href = url;
      link.download = file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    };
    /* What the command line writes for the same state, byte for byte; in the colours of amounts, where these are shown. */
    const written = () => {
      const svg = core.svg(state.open);
      if (state.by === "kind") return svg;
      const file = new DOMParser().parseFromString(svg, "image/svg+xml");
      for (const g of file.querySelectorAll("[data-node]")) {
        const thing = model.things.get(g.getAttribute("data-node")), t = thing && look.scale && look.scale.at(thing[state.by]);
        if (!thing) continue;
        const colour = t === null || t === undefined ? "#f4f4f2" : Scale.colour(t, data.dark), open = state.open.has(g.getAttribute("data-node"));
        look.tint(g, open ? Colour.mixed(data.background || "#ffffff", colour, 0.3) : colour, open);
      }
      return new XMLSerializer().serializeToString(file);
    };
    at("save-svg").addEventListener("click", () => {
      hand(new Blob([written()], { type: "image/svg+xml" }), name("svg"));
      app.say("Saved as SVG");
    });
    at("save-png").addEventListener("click", async () => {
      const url = URL.createObjectURL(new Blob([written()], { type: "image/svg+xml" })), image = new Image();
      image.src = url;
      await image.decode();
      const sheet = document.createElement("canvas"), most = 16000;
      const dense = Math.min(Save.DENSE, most / image.naturalWidth, most / image.naturalHeight);
      sheet.width = Math.round(image.naturalWidth * dense);
      sheet.height = Math.round(image.naturalHeight * dense);
      sheet.getContext("2d").drawImage(image, 0, 0, sheet.width, sheet.height);
      URL.revokeObjectURL(url);
      sheet.toBlob(blob => {
        hand(blob, name("png"));
        app.say("Saved as PNG");
      }, "image/png");
    });
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", async () => {
        const field = at(button.dataset.copy);
        try {
          await navigator.clipboard.writeText(field.value);
        } catch {                             // from a disk some browsers do not allow it: then it is selected, to copy by hand
          field.focus();
          field.select();
          document.execCommand("copy");
        }
        button.textContent = "Copied";
        app.say("Copied");
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
    }
    for (const field of document.querySelectorAll("#side input[readonly]")) field.addEventListener("focus", () => field.select());
  },
};
