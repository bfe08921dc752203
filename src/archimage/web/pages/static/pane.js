// One pane of the viewer: an image of a series, how it is windowed, zoomed and moved, and what stands beside it.
import { fitting, greys, letters, sample } from "./image.js";
import { inSpace, openStack } from "./stack.js";

const AHEAD = 24;
const BEHIND = 8;

/** Shows a series; frames fetches, study holds what is known of patient and study. */
export class Pane {
  #canvas; #paper; #native = document.createElement("canvas"); #drawn = ""; #turn = 0; #at = 0; #forward = true; #shown = null;
  #timer = 0; #asked = false; #pointed = null;

  constructor(root, frames, study) {
    this.root = root;
    this.frames = frames;
    this.study = study;
    this.stack = [];
    this.series = null;
    this.#canvas = root.querySelector("canvas");
    this.#paper = this.#canvas.getContext("2d", { alpha: false });
    this.forget();
    new ResizeObserver(() => this.draw()).observe(root);
  }

  /** Go back to how the image comes. */
  forget() {
    Object.assign(this, { window: null, zoom: 1, x: 0, y: 0, inverted: false });
  }

  /** Show a series. */
  async open(series) {
    const turn = (this.#turn += 1);
    this.stop();
    Object.assign(this, { series, stack: [] });
    this.#at = 0;
    this.#shown = null;
    this.forget();
    this.say("Loading …");
    try {
      for await (const frames of openStack(this.study.study, series.series)) {
        if (turn !== this.#turn) return;
        const begins = !this.stack.length;
        this.stack = frames;
        if (begins) await this.go(0);
        else this.draw();
      }
      if (turn !== this.#turn) return;
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
    this.#prefetch();
  }

  #prefetch() {
    const step = this.#forward ? 1 : -1;
    const near = [];
    for (let far = 1; far <= AHEAD; far += 1) {
      near.push(this.stack[this.#at + far * step]);
      if (far <= BEHIND) near.push(this.stack[this.#at - far * step]);
    }
    this.frames.wish(near.filter(Boolean));
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
    const size = this.fit * scale;
    paper.imageSmoothingEnabled = size < 6;
    paper.imageSmoothingQuality = "high";
    paper.filter = loaded.picture && this.inverted ? "invert(1)" : "none";
    paper.translate(width / 2 + this.x * scale, height / 2 + this.y * scale);
    paper.scale(size, size * loaded.info.aspect);
    paper.drawImage(image, -image.width / 2, -image.height / 2);
    paper.filter = "none";
  }

  /** How large a pixel of the image is on the screen, in its units. */
  get fit() {
    if (!this.#shown) return 1;
    const { info, picture } = this.#shown;
    const columns = picture?.width ?? info.columns, rows = (picture?.height ?? info.rows) * info.aspect;
    return Math.min(this.root.clientWidth / columns, this.root.clientHeight / rows) * this.zoom;
  }

  #windowed({ pixels, info }) {
    const { rows, columns } = info, native = this.#native;
    const key = `${this.stack[this.#at].address} ${this.stack[this.#at].number} ${this.window.center} ${this.window.width} ${this.inverted}`;
    if (key === this.#drawn) return native;
    if (native.width !== columns || native.height !== rows) Object.assign(native, { width: columns, height: rows });
    const paper = native.getContext("2d", { alpha: false }), picture = paper.createImageData(columns, rows);
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
    put(".se", this.#pointed !== null && `${round(this.#pointed)}${series.modality === "CT" ? " HU" : ""}`, shown && `W ${round(this.window.width)} · L ${round(this.window.center)}`, info && `${Math.round(this.fit * 100)} %`, this.inverted && "inverted");
    put(".sw", stack.length && `Image ${at + 1} / ${stack.length}`, info?.position && `${info.thickness ? `${round(info.thickness)} mm · ` : ""}at ${round(info.position[2])} mm`, info && `${info.columns} × ${info.rows}`);
    put(".left", info?.orientation && letters(info.orientation.slice(0, 3).map((part) => -part)));
    put(".top", info?.orientation && letters(info.orientation.slice(3).map((part) => -part)));
    const depth = root.querySelector(".depth"), share = stack.length ? 100 / stack.length : 100;
    depth.hidden = stack.length < 2;
    Object.assign(depth.firstElementChild.style, { top: `${at * share}%`, height: `${share}%` });
    root.setAttribute("aria-label", stack.length ? `${series.description || series.modality}, image ${at + 1} of ${stack.length}` : "No image");
  }

  /** Tell the value under a point of the screen. */
  point(x, y) {
    this.#pointed = this.#valueAt(x, y);
    this.#mark();
  }

  #valueAt(x, y) {
    if (!this.#shown?.pixels) return null;
    const { info, pixels } = this.#shown, box = this.root.getBoundingClientRect();
    const column = Math.floor((x - box.left - box.width / 2 - this.x) / this.fit + info.columns / 2);
    const row = Math.floor((y - box.top - box.height / 2 - this.y) / (this.fit * info.aspect) + info.rows / 2);
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
