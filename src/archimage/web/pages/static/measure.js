// Lengths that somebody has measured, on the frames where they were.
import { distance } from "./geometry.js";

const NEAR = 9, MAX = 50;

/** Keeps the lines of a pane, by frame, in pixels of the image. */
export class Lines {
  #of = new Map();

  /** Begin a line at a point of a frame; returns it. */
  begin(frame, point) {
    const lines = this.#of.get(frame) ?? [];
    const line = { from: point, to: point };
    lines.push(line);
    this.#of.set(frame, lines.slice(-MAX));
    return line;
  }

  /** Take away a line of a frame that is none, and without one the last; tells whether there was one. */
  remove(frame, line = this.#of.get(frame)?.at(-1)) {
    const lines = this.#of.get(frame) ?? [];
    if (!lines.includes(line)) return false;
    this.#of.set(frame, lines.filter((one) => one !== line));
    return true;
  }

  /** What the lines of a frame measure, in words. */
  told(frame, info) {
    return (this.#of.get(frame) ?? []).map(({ from, to }) => distance(info, from, to));
  }

  /** Draw the lines of a frame; scale is that of the screen. */
  draw(paper, frame, info, matrix, scale) {
    paper.setTransform(scale, 0, 0, scale, 0, 0);
    paper.font = "600 13px system-ui, sans-serif";
    for (const { from, to } of this.#of.get(frame) ?? []) {
      const a = matrix.transformPoint(from), b = matrix.transformPoint(to);
      for (const [style, width] of [["rgb(0 0 0 / 70%)", 4], ["#ffd54a", 1.8]]) {
        paper.strokeStyle = style;
        paper.lineWidth = width;
        paper.beginPath();
        paper.moveTo(a.x, a.y);
        paper.lineTo(b.x, b.y);
        for (const end of [a, b]) { paper.moveTo(end.x + 4, end.y); paper.arc(end.x, end.y, 4, 0, 7); }
        paper.stroke();
      }
      const text = distance(info, from, to), right = b.x > a.x ? b : a;
      paper.lineWidth = 3;
      paper.strokeStyle = "#000";
      paper.fillStyle = "#ffd54a";
      paper.strokeText(text, right.x + NEAR, right.y + 4);
      paper.fillText(text, right.x + NEAR, right.y + 4);
    }
  }
}
