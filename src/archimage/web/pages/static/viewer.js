// The viewer: panes, tools, keys, gestures.
import { watchPictures } from "./api.js";
import { Frames } from "./frames.js";
import { Pane } from "./pane.js";

const LAYOUTS = { "1x1": 1, "1x2": 2, "2x2": 4 };
const PRESETS = [["Soft tissue", 40, 400], ["Lung", -600, 1500], ["Bone", 480, 2500], ["Brain", 40, 80], ["Liver", 60, 160], ["Mediastinum", 50, 350]];
const home = document.querySelector(".viewer");
const holder = document.getElementById("panes");
const preset = document.getElementById("preset");
const layout = document.getElementById("layout");
const speed = document.getElementById("speed");
const keys = document.getElementById("keys");
const shots = [...document.querySelectorAll(".shot")];
const study = { ...home.dataset };
const frames = new Frames();
const panes = [];
let active = null;
let tool = "window";

function arrange(name) {
  const count = LAYOUTS[name];
  layout.value = name;
  holder.dataset.layout = name;
  while (panes.length > count) {
    const gone = panes.pop();
    gone.stop();
    gone.root.remove();
  }
  while (panes.length < count) panes.push(makePane());
  choose(panes.includes(active) ? active : panes[0]);
  for (const [at, pane] of panes.entries()) if (!pane.series && shots[at]) pane.open({ ...shots[at].dataset });
  mark();
}

function makePane() {
  const root = document.getElementById("pane").content.firstElementChild.cloneNode(true);
  holder.append(root);
  const pane = new Pane(root, frames, study);
  listen(pane);
  return pane;
}

function choose(pane) {
  active = pane;
  for (const one of panes) one.root.classList.toggle("active", one === pane);
  mark();
}

/** Show in the bars how the active pane is. */
function mark() {
  for (const shot of shots) shot.setAttribute("aria-pressed", String(shot.dataset.series === active?.series?.series));
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  document.querySelector("[data-do=cine]").setAttribute("aria-pressed", String(Boolean(active?.playing)));
  document.querySelector("[data-do=invert]").setAttribute("aria-pressed", String(Boolean(active?.inverted)));
}

function open(shot, pane = active) {
  choose(pane);
  pane.open({ ...shot.dataset });
  mark();
}

const deeds = {
  cine() {
    if (active.playing) active.stop();
    else {
      const own = active.shown?.info.fps;
      if (own && own <= 60 && !speed.dataset.touched) setSpeed(Math.round(own));
      active.play(() => Number(speed.value));
    }
  },
  invert() { active.inverted = !active.inverted; active.draw(); },
  reset() { active.forget(); preset.value = ""; active.go(active.place); },
  help() { keys.showModal(); },
};

function act(name) {
  deeds[name]();
  mark();
}

function useTool(name) { tool = name; mark(); }
function setSpeed(value) { speed.value = value; document.getElementById("speed-told").textContent = `${speed.value}/s`; }

function setWindow(at) {
  const found = PRESETS[at];
  active.window = found ? { center: found[1], width: found[2] } : null;
  preset.value = found ? String(at) : "";
  active.go(active.place);
}

function zoom(pane, by, x, y) {
  const box = pane.root.getBoundingClientRect();
  const before = pane.zoom;
  pane.zoom = Math.min(40, Math.max(0.1, before * by));
  const ratio = pane.zoom / before;
  const px = (x ?? box.left + box.width / 2) - box.left - box.width / 2, py = (y ?? box.top + box.height / 2) - box.top - box.height / 2;
  pane.x = px - (px - pane.x) * ratio;
  pane.y = py - (py - pane.y) * ratio;
  pane.draw();
}

/** What a drag does, by tool. */
const drags = {
  window(pane, dx, dy, start) {
    if (!pane.window) return;
    const fine = Math.max(0.02, start.width / 400);
    preset.value = "";
    pane.window = { width: Math.max(1, pane.window.width + dx * fine), center: pane.window.center + dy * fine };
    pane.draw();
  },
  scroll(pane, _dx, dy, start) {
    start.rest += dy;
    const step = Math.max(3, Math.min(14, pane.root.clientHeight / Math.max(1, pane.stack.length)));
    const whole = Math.trunc(start.rest / step);
    start.rest -= whole * step;
    if (whole) pane.go(pane.place + whole);
  },
  zoom(pane, _dx, dy) { zoom(pane, Math.exp(-dy / 150)); },
  pan(pane, dx, dy) { pane.x += dx; pane.y += dy; pane.draw(); },
};

function listen(pane) {
  const { root } = pane, fingers = new Map();
  let start = null, turned = 0;
  root.addEventListener("pointerdown", (event) => {
    choose(pane);
    root.focus({ preventScroll: true });
    root.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    const byButton = { 1: "pan", 2: "zoom" }[event.button];
    start = { does: byButton ?? tool, width: pane.window?.width ?? 1, rest: 0 };
    event.preventDefault();
  });
  root.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last || !start) return pane.point(event.clientX, event.clientY);
    if (fingers.size === 2) {
      const [other] = [...fingers.values()].filter((one) => one.pointerId !== event.pointerId);
      const gap = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      zoom(pane, gap(event) / gap(last), other.clientX, other.clientY);
    } else drags[start.does](pane, event.clientX - last.clientX, event.clientY - last.clientY, start);
    fingers.set(event.pointerId, event);
    return undefined;
  });
  const lift = (event) => { fingers.delete(event.pointerId); if (!fingers.size) start = null; };
  root.addEventListener("pointerup", lift);
  root.addEventListener("pointercancel", lift);
  root.addEventListener("contextmenu", (event) => event.preventDefault());
  root.addEventListener("focus", () => choose(pane));
  root.addEventListener("wheel", (event) => {
    event.preventDefault();
    choose(pane);
    if (event.ctrlKey) return zoom(pane, Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
    turned += event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 40 : event.deltaY;
    const steps = Math.trunc(turned / 40);
    if (!steps) return undefined;
    turned = 0;
    return pane.go(pane.place + Math.sign(steps) * Math.min(5, Math.abs(steps) > 3 ? Math.abs(steps) - 2 : 1));
  }, { passive: false });
  root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("over"); });
  root.addEventListener("dragleave", () => root.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("over");
    const shot = shots.find((one) => one.dataset.series === event.dataTransfer.getData("text/plain"));
    if (shot) open(shot, pane);
  });
}

const besides = (by) => {
  const at = shots.findIndex((shot) => shot.dataset.series === active.series?.series) + by;
  if (shots[at]) open(shots[at]);
};
const names = Object.keys(LAYOUTS);
const pressed = {
  ArrowUp: () => active.go(active.place - 1), ArrowDown: () => active.go(active.place + 1),
  PageUp: () => active.go(active.place - 10), PageDown: () => active.go(active.place + 10),
  Home: () => active.go(0), End: () => active.go(active.stack.length - 1),
  ArrowLeft: () => besides(-1), ArrowRight: () => besides(1),
  " ": () => act("cine"), i: () => act("invert"), r: () => act("reset"), "?": () => act("help"),
  w: () => useTool("window"), s: () => useTool("scroll"), z: () => useTool("zoom"), p: () => useTool("pan"),
  l: () => arrange(names[(names.indexOf(holder.dataset.layout) + 1) % names.length]),
  "+": () => zoom(active, 1.25), "=": () => zoom(active, 1.25), "-": () => zoom(active, 0.8),
};
for (let at = 0; at <= PRESETS.length; at += 1) pressed[at] = () => setWindow(at - 1);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || keys.open || event.target.matches("select, input")) return;
  if (event.target.matches("button") && [" ", "Enter"].includes(event.key)) return;
  const does = pressed[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => useTool(button.dataset.tool));
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => act(button.dataset.do));
for (const shot of shots) {
  shot.addEventListener("click", () => open(shot));
  shot.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", shot.dataset.series));
}
PRESETS.forEach(([name], at) => preset.add(new Option(name, String(at))));
preset.addEventListener("change", () => setWindow(preset.value === "" ? -1 : Number(preset.value)));
layout.addEventListener("change", () => arrange(layout.value));
speed.addEventListener("input", () => { speed.dataset.touched = "yes"; setSpeed(speed.value); });

const wished = new URLSearchParams(location.search).get("series");
const begin = shots.findIndex((shot) => shot.dataset.series === wished);
if (begin > 0) shots.unshift(...shots.splice(begin, 1));
if (shots.length) arrange("1x1");
else holder.textContent = "This study holds no images.";
watchPictures();
