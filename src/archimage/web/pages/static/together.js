// Panes that scroll together: to the same place in the patient where their images are parallel, else by as many images.
import { depth } from "./image.js";

const SAME = 1e-2;
const panes = new Set();
let isTogether = false;

export const join = (pane) => panes.add(pane);
export const leave = (pane) => panes.delete(pane);
/** Let panes scroll together or apart; tells which. */
export const together = (wanted = isTogether) => (isTogether = wanted);

/** Scroll a pane by some images, and with it those that go together with it. */
export function scroll(pane, by) {
  const before = pane.place;
  pane.go(before + by);
  if (!isTogether) return;
  const moved = pane.place - before, here = pane.stack[pane.place]?.known;
  for (const other of panes) {
    if (other === pane || !other.stack.length) continue;
    other.go(nearest(other.stack, here) ?? other.place + moved);
  }
}

/** Which frame lies nearest to an image that is parallel to them; null where that cannot be told, or not of all yet. */
function nearest(stack, here) {
  const at = here && depth(here);
  if (!stack.every((frame) => frame.known)) return null;
  const model = stack[0].known;
  if (at === null || at === undefined || !model?.orientation || here.frameOfReference !== model.frameOfReference) return null;
  if (model.orientation.some((part, axis) => Math.abs(part - here.orientation[axis]) > SAME)) return null;
  const gaps = stack.map((frame) => Math.abs((depth(frame.known) ?? Infinity) - at));
  const least = Math.min(...gaps);
  return Number.isFinite(least) ? gaps.indexOf(least) : null;
}
