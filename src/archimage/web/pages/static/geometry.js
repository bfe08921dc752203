// Where an image lies on the screen: fitted, zoomed, moved, turned and mirrored; and how far points of it are apart.
import { letters } from "./image.js";

/** How large one pixel of an image is on the screen where all of it is to be seen; turned by so many quarters. */
export function fitting(columns, rows, aspect, turns, width, height) {
  const [wide, high] = turns % 2 ? [rows * aspect, columns] : [columns, rows * aspect];
  return Math.min(width / wide, height / high);
}

/** The matrix from pixels of the image to units of the screen; its centre is that of the pane, moved by x and y. */
export function placement({ columns, rows, aspect, size, x, y, turns, mirrored, upended }, width, height) {
  return new DOMMatrix()
    .translate(width / 2 + x, height / 2 + y)
    .rotate(90 * turns)
    .scale(mirrored ? -1 : 1, upended ? -1 : 1)
    .scale(size, size * aspect)
    .translate(-columns / 2, -rows / 2);
}

/** The point of the image under a point of the screen. */
export const within = (matrix, x, y) => matrix.inverse().transformPoint({ x, y });

/** In letters, where the patient lies to the left of the screen and above it. */
export function sides(matrix, orientation) {
  const back = matrix.inverse();
  const toward = (x, y) => {
    const [along, down] = [back.a * x + back.c * y, back.b * x + back.d * y];
    const length = Math.hypot(along, down) || 1;
    return letters([0, 1, 2].map((axis) => (orientation[axis] * along + orientation[axis + 3] * down) / length));
  };
  return { left: toward(-1, 0), top: toward(0, -1) };
}

/** Say how far two points of an image are apart. */
export function distance({ spacing, atDetector }, from, to) {
  const [down, along] = spacing ?? [1, 1];
  const length = Math.hypot((to.x - from.x) * along, (to.y - from.y) * down);
  const unit = spacing ? (atDetector ? "mm at the detector" : "mm") : "pixels";
  return `${length < 100 ? length.toFixed(1) : Math.round(length)} ${unit}`;
}
