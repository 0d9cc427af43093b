(() => {
"use strict";
// Keeps this page up to date: what the server says of the figure is shown over it, as text, in a shadow tree that the
// page's own looks and scripts do not reach.  A new figure is a new page, which reads the reader's state from the hash.
const page = document.currentScript.dataset.page;
const alone = page === "";                     // no figure yet
const title = document.title;
const RETRY = 1000, SOON = 300, LONG = 5;      // ms, ms, s
const STILL = 500;                             // ms without a key or a move before the page is loaded anew

const LOOK = `
:host{all:initial!important;color-scheme:inherit!important;--ground:#fff;--ink:#1f2328;--faint:#59636e;--line:#d1d9e0;
  --code:#f6f8fa;--bad:#b3261e;--mark:#ffe9e7}
@supports (color:light-dark(#000,#fff)){:host{--ground:light-dark(#fff,#1c2128);--ink:light-dark(#1f2328,#e6edf3);
  --faint:light-dark(#59636e,#9aa5b1);--line:light-dark(#d1d9e0,#3d444d);--code:light-dark(#f6f8fa,#14181d);
  --bad:light-dark(#b3261e,#ff9a90);--mark:light-dark(#ffe9e7,#4a211f)}}
@media print{:host{display:none!important}}
*{box-sizing:border-box}
[hidden]{display:none!important}
div,section,button{font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
#dock{position:fixed;z-index:2147483647;left:12px;right:12px;bottom:12px;max-height:calc(100% - 24px);display:flex;
  flex-direction:column;align-items:center;gap:10px;pointer-events:none}
#dock.alone{top:12px;justify-content:center}
#dock>*{max-width:100%}
#told{display:flex;min-height:0;width:760px}
#mistake{pointer-events:auto;width:100%;max-height:45vh;overflow:auto;background:var(--ground);color:var(--ink);
  border:1px solid var(--line);border-top:3px solid var(--bad);border-radius:8px;
  box-shadow:0 8px 28px rgb(0 0 0/.28);padding:12px 16px 14px}
.alone #mistake{max-height:none}
.alone #close{display:none}
#mistake:focus{outline:none}
#mistake:focus-visible,button:focus-visible{outline:2px solid #2f81f7;outline-offset:2px}
header{display:flex;gap:12px;align-items:baseline}
#place{font-weight:650;overflow-wrap:anywhere;flex:1}
#close{flex:none;margin:-4px -8px 0 0;width:30px;height:30px;border:0;border-radius:6px;background:none;color:var(--faint);
  font-size:20px;line-height:1;cursor:pointer}
#close:hover{background:var(--code);color:var(--ink)}
#message{white-space:pre-wrap;overflow-wrap:anywhere;margin-top:2px;color:var(--bad)}
#more,#hint,#stands{white-space:pre-wrap;overflow-wrap:anywhere;color:var(--faint);margin-top:6px}
#lines{margin:10px 0 0;padding:6px 0;background:var(--code);border:1px solid var(--line);border-radius:6px;overflow-x:auto;
  font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;tab-size:4}
#lines>div{font:inherit;white-space:pre;width:max-content;min-width:100%;padding-right:12px}
#lines .at{background:var(--mark)}
#lines .number{display:inline-block;min-width:3.5em;padding-right:1em;text-align:right;color:var(--faint);user-select:none}
#pills{display:flex;flex-wrap:wrap;justify-content:center;gap:8px}
.pill{display:flex;gap:8px;align-items:center;padding:4px 12px;border:1px solid var(--line);border-radius:16px;
  background:var(--ground);color:var(--ink);box-shadow:0 2px 10px rgb(0 0 0/.18)}
#again{pointer-events:auto;cursor:pointer;color:var(--bad)}
.dot{flex:none;width:8px;height:8px;border-radius:50%;background:#2f81f7;animation:beat 1s ease-in-out infinite alternate}
.gone .dot{background:var(--bad);animation:none}
@keyframes beat{to{opacity:.25}}
@media (prefers-reduced-motion:reduce){.dot{animation:none}}
`;

const host = document.createElement("div");
host.id = "archviz-live";
const root = host.attachShadow({mode: "open"});
const sheet = new CSSStyleSheet();
sheet.replaceSync(LOOK);
root.adoptedStyleSheets = [sheet];

function made(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);        // strings become text, never markup
  return element;
}

const part = id => root.getElementById(id);
root.append(made("div", {id: "dock", class: alone ? "alone" : ""},
  made("div", {id: "pills"},
    made("button", {id: "again", class: "pill", type: "button", hidden: ""}, "Show the error"),
    made("div", {id: "status", class: "pill", role: "status", hidden: ""},
      made("span", {class: "dot"}), made("span", {id: "doing"}))),
  made("div", {id: "told", role: "alert"}, made("section", {id: "mistake", tabindex: "-1", hidden: "", "aria-labelledby": "place"},
    made("header", {}, made("div", {id: "place"}),
      made("button", {id: "close", type: "button", title: "Hide (Esc)", "aria-label": "Hide the error"}, "×")),
    made("div", {id: "message"}), made("div", {id: "lines"}), made("div", {id: "more"}), made("div", {id: "hint"}), made("div", {id: "stands"})))));
document.body.append(host);
// The page's own keys, zooming and dragging are not meant where the reader is busy with an error.
for (const type of ["keydown", "wheel", "pointerdown"]) host.addEventListener(type, event => event.stopPropagation());

// ------------------------------------------------------------------------------------------------ the error

let error = null, shown = "", dismissed = false;

function tell(told) {
  const what = told ? JSON.stringify(told) : "";
  if (what === shown) return;
  [error, shown, dismissed] = [told, what, false];
  document.title = error ? `✗ ${title}` : title;
  if (error) {
    const [first, ...more] = error.message.split("\n");
    part("place").textContent = error.place || error.target;
    part("message").textContent = first;
    part("more").textContent = more.map(line => line.trim()).join("\n");
    part("hint").textContent = error.hint;
    part("stands").textContent = alone || error.partial ? "" : "Behind this: the last figure that could be drawn.";
    const at = Number(error.place.slice(error.place.lastIndexOf(":") + 1));
    part("lines").replaceChildren(...error.lines.map(([number, text]) => made(
      "div", number === at ? {class: "at"} : {}, made("span", {class: "number"}, String(number)), text)));
    for (const id of ["more", "hint", "stands"]) part(id).hidden = !part(id).textContent;
    part("lines").hidden = !error.lines.length;
    part("mistake").scrollTop = 0;
  }
  place();
}

function place() {
  part("mistake").hidden = !error || dismissed;
  part("again").hidden = !error || !dismissed;
}

function dismiss() {
  dismissed = true;
  place();
}

part("close").addEventListener("click", dismiss);
part("again").addEventListener("click", () => {
  dismissed = false;
  place();
  part("mistake").focus();
});
window.addEventListener("keydown", event => {
  const typing = document.activeElement?.matches("input, textarea, select, dialog *");
  if (event.key !== "Escape" || part("mistake").hidden || alone || typing) return;
  event.stopImmediatePropagation();       // a key that the page may have a meaning for, too
  event.preventDefault();
  dismiss();
}, true);

// ------------------------------------------------------------------------------------------------ how things stand

let busy = null, gone = false, since = 0, timer = 0;

function status() {
  clearTimeout(timer);
  const seconds = busy ? busy.seconds + (performance.now() - since) / 1000 : 0;
  if (gone) {
    part("doing").textContent = "archviz serve has stopped. Start it again, and open the address that it prints.";
  } else if (busy) {
    const clock = seconds < LONG ? "" : ` · ${Math.floor(seconds)} s of at most ${busy.limit} s`;
    part("doing").textContent = `${alone ? `${title}: ` : ""}drawing … ${busy.step}${clock}`;
    timer = setTimeout(status, seconds * 1000 < SOON ? SOON : 1000);
  }
  part("status").classList.toggle("gone", gone);
  part("status").hidden = !gone && !(busy && seconds * 1000 >= SOON);
}

let source = null, touched = -STILL, held = false;

for (const type of ["keydown", "wheel", "pointerdown", "pointerup", "pointercancel"]) {
  window.addEventListener(type, () => {
    touched = performance.now();
    held = type === "pointerdown" || (held && !type.startsWith("pointer"));
  }, {capture: true, passive: true});
}

/* The new page, but not in the middle of what the reader does, which the old one may still have to note in the hash. */
function renew() {
  const wait = touched + STILL - performance.now();
  if (held || wait > 0) setTimeout(renew, Math.max(wait, 50));
  else location.reload();
}

function connect() {
  source = new EventSource("/events");
  source.onmessage = event => {
    const told = JSON.parse(event.data);
    if (told.page !== page) {
      source.close();
      renew();
      return;
    }
    [gone, busy, since] = [false, told.busy, performance.now()];
    tell(told.error);
    status();
  };
  source.onerror = () => {
    source.close();         // a server that was begun anew knows another token: so ask again ourselves, for ever
    gone = true;
    status();
    setTimeout(connect, RETRY);
  };
}

// The token has been traded for a cookie; it has no business in the address, nor in the history.
if (location.search) history.replaceState(history.state, "", location.pathname + location.hash);
connect();
})();
