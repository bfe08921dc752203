// Frames from the server: a bounded number at once, what is looked at first, and a bounded memory of them.

const AT_ONCE = 4; // of the six that browsers allow; thumbnails and what is asked for now need the others
const ROOM_BYTES = 400e6;

/** Fetches the frames of series and keeps the newest. */
export class Frames {
  #kept = new Map();
  #running = new Map();
  #queue = [];

  /** Called with each frame that has come. */
  onLoad = () => {};

  /** Return a frame that is here already, or null. */
  here(frame) {
    const found = this.#kept.get(frame);
    if (!found) return null;
    this.#kept.delete(frame);
    this.#kept.set(frame, found);
    return found;
  }

  /** Tell whether a frame is here; unlike `here` that does not make it the newest. */
  has(frame) { return this.#kept.has(frame); }

  /** Fetch a frame now. */
  async get(frame) {
    return this.here(frame) ?? this.#running.get(frame) ?? this.#start(frame);
  }

  /** Fetch these when there is time, in this order; what was wished before and is not on its way is dropped. */
  wish(frames) {
    this.#queue = frames.filter((frame) => !this.#kept.has(frame) && !this.#running.has(frame) && !frame.failed);
    this.#next();
  }

  #next() {
    while (this.#running.size < AT_ONCE && this.#queue.length) this.#start(this.#queue.shift()).catch(() => {});
  }

  #start(frame) {
    const coming = load(frame)
      .then((loaded) => {
        this.#keep(frame, loaded);
        this.onLoad(frame);
        return loaded;
      })
      .catch((error) => {
        frame.failed = true;
        throw error;
      })
      .finally(() => {
        this.#running.delete(frame);
        this.#next();
      });
    this.#running.set(frame, coming);
    return coming;
  }

  #keep(frame, loaded) {
    this.#kept.set(frame, loaded);
    let bytes = 0;
    for (const one of this.#kept.values()) bytes += one.bytes;
    for (const [old, one] of this.#kept) {
      if (bytes <= ROOM_BYTES || old === frame) break;
      bytes -= one.bytes;
      this.#kept.delete(old);
      one.picture?.close();
    }
  }
}

const raw = (place) => fetch(`${place}?accept=application/octet-stream`); // the page has the first one fetched ahead

/** Load a frame: its pixels where the browser can window them, else a picture. */
async function load(frame) {
  const place = `${frame.address}/frames/${frame.number}`;
  const early = frame.isLikelyRaw ? raw(place).catch(() => null) : null; // beside what tells whether it is
  const info = await frame.info();
  if (info.raw) {
    const answer = (await early) ?? await raw(place);
    if (answer.ok) {
      const buffer = await answer.arrayBuffer();
      const pixels = info.bits === 8 ? new Uint8Array(buffer) : new Uint16Array(buffer, 0, buffer.byteLength >> 1);
      if (pixels.length >= info.rows * info.columns) return { pixels, info, bytes: buffer.byteLength };
    }
  }
  const answer = await fetch(`${place}/rendered`, { headers: { Accept: "image/jpeg, image/png" } });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error ?? "This image cannot be shown");
  }
  const picture = await createImageBitmap(await answer.blob());
  return { picture, info, bytes: picture.width * picture.height * 4 };
}
