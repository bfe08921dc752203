// One pane of the viewer: an image of a series, how it is windowed, zoomed and moved, and what stands beside it.
import { fitting as whole, placement, sides, within } from "./geometry.js";
import { fitting, greys, sample } from "./image.js";
import { Lines } from "./measure.js";
import { inSpace, openStack } from "./stack.js";

const painted = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
const ROOM_BYTES = 300e6; // of what is fetched ahead: less than is kept, or what is near would be dropped for what is far

/** Shows a series; frames fetches, study holds what is known of patient and study. */
export class Pane {
  #canvas; #paper; #native = document.createElement("canvas"); #drawn = ""; #turn = 0; #at = 0; #forward = true; #shown = null;
  #timer = 0; #asked = false; #whole = false; #pointed = null;

  constructor(root, frames, study) {
    this.root = root;
    this.frames = frames;
    this.study = study;
    this.stack = [];
    this.series = null;
    this.lines = new Lines();
    this.#canvas = root.querySelector("canvas");
    this.#paper = this.#canvas.getContext("2d", { alpha: false });
    this.forget();
    new ResizeObserver(() => this.draw()).observe(root);
  }

  /** Go back to how the image comes. */
  forget() {
    Object.assign(this, { window: null, zoom: 1, x: 0, y: 0, inverted: false, turns: 0, mirrored: false, upended: false });
  }

  /** Show a series. */
  async open(series) {
    const turn = (this.#turn += 1);
    this.stop();
    Object.assign(this, { series, stack: [] });
    this.#whole = false;
    this.#at = 0;
    this.#shown = null;
    this.forget();
    this.say("Loading …");
    try {
      for await (const frames of openStack(this.study.study, series.series, "grey" in series)) {
        if (turn !== this.#turn) return;
        const begins = !this.stack.length;
        this.stack = frames;
        if (begins) await this.go(0).then(painted); // before anything else takes the processor
        else this.draw();
      }
      if (turn !== this.#turn) return;
      this.#whole = true;
      if (!this.stack.length) return this.say("There are no images in this series.");
      const sorted = await inSpace(this.study.study, series.series, this.stack);
      if (turn !== this.#turn) return;
      const here = this.stack[this.#at];
      this.stack = sorted;
      this.#at = Math.max(0, sorted.indexOf(here));
      this.#prefetch();
      this.draw();
    } catch (error) {
      if (turn === this.#turn) this.say(error.message);
    }
  }

  get place() { return this.#at; }
  get shown() { return this.#shown; }

  /** Show the image at a place in the stack. */
  async go(place) {
    if (!this.stack.length) return;
    const at = Math.min(this.stack.length - 1, Math.max(0, place));
    this.#forward = at >= this.#at;
    this.#at = at;
    const frame = this.stack[at];
    const here = this.frames.here(frame);
    if (here) return this.#show(here);
    this.#mark();
    try {
      const loaded = await this.frames.get(frame);
      if (this.stack[this.#at] === frame) this.#show(loaded);
    } catch (error) {
      if (this.stack[this.#at] === frame) {
        this.#shown = null;
        this.draw();
        this.say(error.message);
      }
    }
  }

  #show(loaded) {
    this.#shown = loaded;
    this.#pointed = null;
    if (loaded.pixels && !this.window) this.window = loaded.info.window ?? fitting(loaded.pixels, loaded.info);
    this.say("");
    this.draw();
    if (this.#whole) this.#prefetch();
    this.onShow();
  }

  /** Called whenever another image is shown. */
  onShow = () => {};

  /** Set the window to all values of the image. */
  fitWindow() {
    if (this.#shown?.pixels) this.window = fitting(this.#shown.pixels, this.#shown.info);
  }

  /** Fetch what is near first, three ahead for each behind, as far as there is room. */
  #prefetch() {
    const step = this.#forward ? 1 : -1, room = Math.floor(ROOM_BYTES / (this.#shown?.bytes || 1e6));
    const ahead = [], behind = [];
    for (let at = this.#at + step; this.stack[at]; at += step) ahead.push(this.stack[at]);
    for (let at = this.#at - step; this.stack[at]; at -= step) behind.push(this.stack[at]);
    const near = [];
    while ((ahead.length || behind.length) && near.length < room) near.push(...ahead.splice(0, 3), ...behind.splice(0, 1));
    this.frames.wish(near);
  }

  /** Tell of a frame that has come, if it is one of these. */
  came(frame) {
    if (this.stack.includes(frame)) this.#progress();
  }

  #progress() {
    const { stack } = this, here = stack.reduce((sum, frame) => sum + this.frames.has(frame), 0);
    const bar = this.root.querySelector(".loaded");
    bar.hidden = stack.length < 2 || here >= stack.length;
    bar.firstElementChild.style.width = `${(100 * here) / Math.max(1, stack.length)}%`;
    bar.title = `${here} of ${stack.length} images are here`;
  }

  /** Say something in place of an image; nothing where there is one. */
  say(text) {
    const place = this.root.querySelector(".say");
    place.textContent = text;
    place.hidden = !text;
  }

  /** Draw before the next picture of the screen. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  #paint() {
    const canvas = this.#canvas, paper = this.#paper, scale = devicePixelRatio || 1;
    const width = Math.round(this.root.clientWidth * scale), height = Math.round(this.root.clientHeight * scale);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    paper.setTransform(1, 0, 0, 1, 0, 0);
    paper.fillStyle = "#000";
    paper.fillRect(0, 0, width, height);
    const loaded = this.#shown;
    this.#mark();
    if (!loaded) return;
    const image = loaded.picture ?? this.#windowed(loaded);
    const matrix = this.matrix;
    paper.imageSmoothingEnabled = this.fit * scale < 6;
    paper.imageSmoothingQuality = "high";
    paper.filter = loaded.picture && this.inverted ? "invert(1)" : "none";
    paper.setTransform(new DOMMatrix().scale(scale, scale).multiply(matrix));
    paper.drawImage(image, 0, 0);
    paper.filter = "none";
    this.lines.draw(paper, this.stack[this.#at], loaded.info, matrix, scale);
  }

  get #size() {
    const { info, picture } = this.#shown;
    return { columns: picture?.width ?? info.columns, rows: picture?.height ?? info.rows, aspect: info.aspect };
  }

  /** From pixels of the image to units of the screen, from the pane's corner. */
  get matrix() {
    const { x, y, turns, mirrored, upended } = this;
    return placement({ ...this.#size, size: this.fit, x, y, turns, mirrored, upended }, this.root.clientWidth, this.root.clientHeight);
  }

  /** The point of the image under a point of the window, null where no image is shown. */
  at(x, y) {
    if (!this.#shown) return null;
    const box = this.root.getBoundingClientRect();
    return within(this.matrix, x - box.left, y - box.top);
  }

  /** Show one pixel of the image as one of the screen. */
  actual() {
    if (!this.#shown) return;
    this.zoom /= this.fit * (devicePixelRatio || 1);
    Object.assign(this, { x: 0, y: 0 });
    this.draw();
  }

  /** How large a pixel of the image is on the screen, in its units. */
  get fit() {
    if (!this.#shown) return 1;
    const { columns, rows, aspect } = this.#size;
    return whole(columns, rows, aspect, this.turns, this.root.clientWidth, this.root.clientHeight) * this.zoom;
  }

  #windowed({ pixels, info }) {
    const { rows, columns } = info, native = this.#native;
    const key = `${this.stack[this.#at].address} ${this.stack[this.#at].number} ${this.window.center} ${this.window.width} ${this.inverted}`;
    if (key === this.#drawn) return native;
    if (native.width !== columns || native.height !== rows) Object.assign(native, { width: columns, height: rows });
    const paper = native.getContext("2d", { alpha: false, willReadFrequently: true }), picture = paper.createImageData(columns, rows);
    const table = greys(info, this.window, this.inverted), out = new Uint32Array(picture.data.buffer);
    for (let at = 0; at < out.length; at += 1) out[at] = table[pixels[at]];
    paper.putImageData(picture, 0, 0);
    this.#drawn = key;
    return native;
  }

  /** Write what stands in the corners. */
  #mark() {
    const { root, study, series, stack } = this, at = this.#at, info = this.#shown?.info;
    const put = (corner, ...lines) => (root.querySelector(corner).textContent = lines.filter(Boolean).join("\n"));
    put(".nw", series && study.patient, series && [study.patientId, study.birth, study.sex].filter(Boolean).join(" · "), series && study.description);
    put(".ne", series && study.date, series && [series.modality, series.number && `series ${series.number}`].filter(Boolean).join(" · "), series?.description);
    const shown = this.window && this.#shown?.pixels;
    put(".se", this.#pointed !== null && `${round(this.#pointed)}${series.modality === "CT" ? " HU" : ""}`, shown && `W ${round(this.window.width)} · L ${round(this.window.center)}`, info && `${Math.round(this.fit * 100)} %`, this.inverted && "inverted", this.turns && `turned ${90 * this.turns}°`, (this.mirrored || this.upended) && "mirrored");
    put(".sw", stack.length && `Image ${at + 1} / ${stack.length}`, info?.position && `${info.thickness ? `${round(info.thickness)} mm · ` : ""}at ${round(info.position[2])} mm`, info && `${info.columns} × ${info.rows}`);
    const { left, top } = info?.orientation ? sides(this.matrix, info.orientation) : {};
    put(".left", left);
    put(".top", top);
    this.#progress();
    const depth = root.querySelector(".depth"), share = stack.length ? 100 / stack.length : 100;
    depth.hidden = stack.length < 2;
    Object.assign(depth.firstElementChild.style, { top: `${at * share}%`, height: `${share}%` });
    const lengths = info ? this.lines.told(stack[at], info) : [];
    root.setAttribute("aria-label", stack.length ? [`${series.description || series.modality}, image ${at + 1} of ${stack.length}`, ...lengths].join(", ") : "No image");
  }

  /** Tell the value under a point of the screen. */
  point(x, y) {
    this.#pointed = this.#valueAt(x, y);
    this.#mark();
  }

  #valueAt(x, y) {
    if (!this.#shown?.pixels) return null;
    const { info, pixels } = this.#shown, point = this.at(x, y);
    const column = Math.floor(point.x), row = Math.floor(point.y);
    return column >= 0 && row >= 0 && column < info.columns && row < info.rows ? sample(pixels, info, column, row) : null;
  }

  get playing() { return this.#timer !== 0; }

  /** Show one image after the other, as fast as speed says and they come. */
  play(speed) {
    let due = performance.now();
    const step = (now) => {
      this.#timer = requestAnimationFrame(step);
      if (now < due || this.stack.length < 2) return;
      const next = (this.#at + 1) % this.stack.length;
      if (this.stack[next].failed) this.#at = next;
      else if (this.frames.here(this.stack[next])) this.go(next).then(() => (this.#forward = true));
      else return void this.frames.get(this.stack[next]).catch(() => {});
      due = Math.max(due + 1000 / speed(), now - 200);
    };
    this.#timer = requestAnimationFrame(step);
  }

  /** Stop showing one after the other. */
  stop() {
    cancelAnimationFrame(this.#timer);
    this.#timer = 0;
  }
}

const round = (value) => (Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 10) / 10);
