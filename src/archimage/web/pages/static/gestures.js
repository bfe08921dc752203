// What pointers and the wheel do in a pane: one button or finger what the tool says, two fingers zoom and move.
import { scroll } from "./together.js";

const LONGEST_STEP = 14, SHORTEST_STEP = 3, WHEEL_STEP = 40, MAX_ZOOM = 40, MIN_ZOOM = 0.1;

/** Zoom a pane about a point of the window, without one about its middle. */
export function zoom(pane, by, x, y) {
  const box = pane.root.getBoundingClientRect(), before = pane.zoom;
  pane.zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, before * by));
  const ratio = pane.zoom / before;
  const [right, down] = x === undefined ? [0, 0] : [x - box.left - box.width / 2, y - box.top - box.height / 2];
  pane.x = right - (right - pane.x) * ratio;
  pane.y = down - (down - pane.y) * ratio;
  pane.draw();
}

function pan(pane, dx, dy) {
  pane.x += dx;
  pane.y += dy;
  pane.draw();
}

/** What a drag does, by tool; start is kept from its beginning to its end. */
const drags = {
  window(pane, { dx, dy }, start) {
    if (!pane.window) return;
    const fine = Math.max(0.02, start.width / 400);
    pane.window = { width: Math.max(1, pane.window.width + dx * fine), center: pane.window.center + dy * fine };
    pane.draw();
  },
  scroll(pane, { dy }, start) {
    start.rest += dy;
    const step = Math.max(SHORTEST_STEP, Math.min(LONGEST_STEP, pane.root.clientHeight / Math.max(1, pane.stack.length)));
    const whole = Math.trunc(start.rest / step);
    start.rest -= whole * step;
    if (whole) scroll(pane, whole);
  },
  zoom(pane, { dy }) { zoom(pane, Math.exp(-dy / 150)); },
  pan(pane, { dx, dy }) { pan(pane, dx, dy); },
  measure(pane, { event }, start) {
    const point = pane.at(event.clientX, event.clientY);
    if (!point || !start.from) return;
    start.line ??= pane.lines.begin(start.frame, start.from);
    start.line.to = point;
    pane.draw();
  },
};

/** Let a pane be worked with; tool tells what the first button does, chosen is called with a pane that is touched. */
export function listen(pane, tool, chosen) {
  const { root } = pane, fingers = new Map();
  let start = null, turned = 0;
  root.addEventListener("pointerdown", (event) => {
    chosen(pane);
    root.focus({ preventScroll: true });
    root.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    start = { does: { 1: "pan", 2: "zoom" }[event.button] ?? tool(), width: pane.window?.width ?? 1, rest: 0,
      from: pane.at(event.clientX, event.clientY), frame: pane.stack[pane.place] };
    event.preventDefault();
  });
  root.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last || !start) return pane.point(event.clientX, event.clientY);
    const dx = event.clientX - last.clientX, dy = event.clientY - last.clientY;
    if (fingers.size === 2) {
      const [other] = [...fingers.values()].filter((one) => one.pointerId !== event.pointerId);
      const gap = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      zoom(pane, gap(event) / gap(last), other.clientX, other.clientY);
      pan(pane, dx / 2, dy / 2);
    } else drags[start.does](pane, { dx, dy, event }, start);
    fingers.set(event.pointerId, event);
    return undefined;
  });
  const lift = (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) start = null;
  };
  root.addEventListener("pointerup", lift);
  root.addEventListener("pointercancel", lift);
  root.addEventListener("pointerleave", () => pane.point(-1, -1));
  root.addEventListener("contextmenu", (event) => event.preventDefault());
  root.addEventListener("focus", () => chosen(pane));
  root.addEventListener("wheel", (event) => {
    event.preventDefault();
    chosen(pane);
    if (event.ctrlKey) return zoom(pane, Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
    turned += event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * WHEEL_STEP : event.deltaY;
    const steps = Math.trunc(turned / WHEEL_STEP);
    if (!steps) return undefined;
    turned = 0;
    return scroll(pane, Math.sign(steps) * Math.min(5, Math.abs(steps) > 3 ? Math.abs(steps) - 2 : 1));
  }, { passive: false });
}
