// A figure shows its variant for dark pages where the text around it is light, whatever theme or switch made it so.
(() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
    .getContext("2d", { willReadFrequently: true });
  const look = () => {
    for (const figure of document.querySelectorAll(".archviz-both")) {
      pen.fillStyle = getComputedStyle(figure).color;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
      figure.dataset.ground = 0.2126 * r + 0.7152 * g + 0.0722 * b > 128 ? "dark" : "light";
    }
  };
  const soon = () => requestAnimationFrame(look);
  const start = () => {
    look();
    const watch = new MutationObserver(soon);
    watch.observe(document.documentElement, { attributes: true });
    watch.observe(document.body, { attributes: true });
    watch.observe(document.head, { attributes: true, childList: true, subtree: true });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon);
    document.addEventListener("transitionend", soon);
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
