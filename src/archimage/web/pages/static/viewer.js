// The viewer: panes, tools, keys.
import { watchPictures } from "./api.js";
import { Frames } from "./frames.js";
import { listen, zoom } from "./gestures.js";
import { Pane } from "./pane.js";
import { join, leave, scroll, together } from "./together.js";

const LAYOUTS = { "1x1": 1, "1x2": 2, "2x1": 2, "2x2": 4 };
/** Windows that people ask for by name, by modality: centre and width. */
const PRESETS = {
  CT: [["Soft tissue", 40, 400], ["Lung", -600, 1500], ["Bone", 480, 2500], ["Brain", 40, 80], ["Liver", 60, 160], ["Mediastinum", 50, 350], ["Stroke", 35, 35], ["Angiography", 300, 600]],
  PT: [["SUV 0 to 5", 2.5, 5], ["SUV 0 to 10", 5, 10]],
};
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
let offered = null;

function arrange(name) {
  const count = LAYOUTS[name];
  layout.value = name;
  holder.dataset.layout = name;
  while (panes.length > count) {
    const gone = panes.pop();
    gone.stop();
    leave(gone);
    gone.root.remove();
  }
  while (panes.length < count) panes.push(makePane());
  choose(panes.includes(active) ? active : panes[0]);
  for (const [at, pane] of panes.entries()) {
    if (!pane.series && shots[at]) pane.open({ ...shots[at].dataset });
    else if (!pane.series) pane.say("Click here, then choose a series.");
  }
  mark();
}

function makePane() {
  const root = document.getElementById("pane").content.firstElementChild.cloneNode(true);
  holder.append(root);
  const pane = new Pane(root, frames, study);
  pane.onShow = () => pane === active && offer();
  join(pane);
  listen(pane, () => tool, choose);
  root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("over"); });
  root.addEventListener("dragleave", () => root.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("over");
    const shot = shots.find((one) => one.dataset.series === event.dataTransfer.getData("text/plain"));
    if (shot) open(shot, pane);
  });
  return pane;
}

function choose(pane) {
  if (pane === active) return;
  active = pane;
  for (const one of panes) one.root.classList.toggle("active", one === pane);
  offer();
  mark();
}

/** Offer the windows that fit the image of the active pane. */
function offer() {
  const found = [...(active.shown?.pixels ? active.shown.info.windows : []), ...(PRESETS[active.series?.modality] ?? []).map(([name, center, width]) => ({ name, center, width }))];
  const key = JSON.stringify(found);
  if (key === offered?.key) return;
  offered = { key, windows: found };
  preset.replaceChildren(new Option("Preset", ""), ...found.map((one, at) => new Option(`${one.name} (${one.width} / ${one.center})`, String(at))), new Option("All values", "all"));
}

const press = (name, on) => document.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", String(Boolean(on)));

/** Show in the bars how the active pane is. */
function mark() {
  for (const shot of shots) shot.setAttribute("aria-pressed", String(shot.dataset.series === active?.series?.series));
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  press("cine", active?.playing);
  press("invert", active?.inverted);
  press("together", together());
  press("texts", !holder.classList.contains("bare"));
}

function open(shot, pane = active) {
  choose(pane);
  pane.open({ ...shot.dataset });
  mark();
}

const change = (properties) => { Object.assign(active, properties); active.draw(); };
const deeds = {
  cine() {
    if (active.playing) active.stop();
    else {
      const own = active.shown?.info.fps;
      if (own && own <= 60 && !speed.dataset.touched) setSpeed(Math.round(own));
      active.play(() => Number(speed.value));
    }
  },
  invert() { change({ inverted: !active.inverted }); },
  turn() { change({ turns: (active.turns + 1) % 4 }); },
  // Mirrored as it is seen: in an image that lies on its side, left and right are its rows.
  mirror() { change(active.turns % 2 ? { upended: !active.upended } : { mirrored: !active.mirrored }); },
  upend() { change(active.turns % 2 ? { mirrored: !active.mirrored } : { upended: !active.upended }); },
  fit() { change({ zoom: 1, x: 0, y: 0 }); },
  actual() { active.actual(); },
  together() { together(!together()); },
  texts() { holder.classList.toggle("bare"); },
  reset() { active.forget(); preset.value = ""; active.go(active.place); },
  full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {});
  },
  help() { keys.showModal(); },
};

function act(name) {
  deeds[name]();
  mark();
}

function useTool(name) { tool = name; mark(); }
function setSpeed(value) { speed.value = value; document.getElementById("speed-told").textContent = `${speed.value}/s`; }

/** Set the window that is offered at a place; "all" shows all values, null is that of the image. */
function setWindow(at) {
  const found = offered?.windows[at];
  if (at === "all") active.fitWindow();
  else active.window = found ? { center: found.center, width: found.width } : null;
  preset.value = found || at === "all" ? String(at) : "";
  active.go(active.place);
}

const besides = (by) => {
  const at = shots.findIndex((shot) => shot.dataset.series === active.series?.series) + by;
  if (shots[at]) open(shots[at]);
};
const undo = () => active.lines.remove(active.stack[active.place]) && active.draw();
const names = Object.keys(LAYOUTS);
const pressed = {
  ArrowUp: () => scroll(active, -1), ArrowDown: () => scroll(active, 1),
  PageUp: () => scroll(active, -10), PageDown: () => scroll(active, 10),
  Home: () => scroll(active, -active.place), End: () => scroll(active, active.stack.length - 1 - active.place),
  ArrowLeft: () => besides(-1), ArrowRight: () => besides(1),
  " ": () => act("cine"), i: () => act("invert"), r: () => act("reset"), "?": () => act("help"), t: () => act("turn"), h: () => act("mirror"),
  v: () => act("upend"), f: () => act("fit"), a: () => act("actual"), y: () => act("together"), o: () => act("texts"), u: () => act("full"),
  w: () => useTool("window"), s: () => useTool("scroll"), z: () => useTool("zoom"), p: () => useTool("pan"), m: () => useTool("measure"),
  Delete: undo, Backspace: undo,
  l: () => arrange(names[(names.indexOf(holder.dataset.layout) + 1) % names.length]),
  "+": () => zoom(active, 1.25), "=": () => zoom(active, 1.25), "-": () => zoom(active, 0.8),
  0: () => setWindow(null),
};
for (let at = 1; at <= 9; at += 1) {
  pressed[at] = () => { // the presets of the modality come after the windows of the image
    const own = active.shown?.pixels ? active.shown.info.windows.length : 0;
    if (offered?.windows[own + at - 1]) setWindow(own + at - 1);
  };
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || keys.open || event.target.matches("select, input")) return;
  if (event.target.matches("button") && [" ", "Enter"].includes(event.key)) return;
  const does = active && pressed[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => useTool(button.dataset.tool));
for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => active && act(button.dataset.do));
for (const shot of shots) {
  shot.addEventListener("click", () => open(shot));
  shot.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", shot.dataset.series));
}
preset.addEventListener("change", () => setWindow(preset.value === "all" ? "all" : preset.value === "" ? null : Number(preset.value)));
layout.addEventListener("change", () => arrange(layout.value));
speed.addEventListener("input", () => { speed.dataset.touched = "yes"; setSpeed(speed.value); });
frames.onLoad = (frame) => panes.forEach((pane) => pane.came(frame));

const wished = new URLSearchParams(location.search).get("series");
const begin = shots.findIndex((shot) => shot.dataset.series === wished);
if (begin > 0) shots.unshift(...shots.splice(begin, 1));
if (shots.length) arrange("1x1");
else holder.textContent = "This study holds no images.";
watchPictures();
