// A series as the viewer scrolls through it.
import { ask } from "./api.js";
import { depth, describe } from "./image.js";

/** One frame; info tells of it, and is fetched once. */
class Frame {
  #told = null;

  constructor(instance, number, isLikelyRaw) {
    this.isLikelyRaw = isLikelyRaw;
    this.uid = instance.sop_instance_uid;
    this.address = instance.address;
    this.number = number;
    this.label = instance.instance_number || "";
    this.failed = false;
    this.known = null;
  }

  async info() {
    this.#told ??= json(`${this.address}/metadata`).then(([dataset]) => this.tell(dataset));
    return this.#told;
  }

  /** Take what was fetched for the whole series. */
  tell(dataset) {
    this.known ??= describe(dataset, this.number);
    this.#told ??= Promise.resolve(this.known);
    return this.known;
  }
}

async function json(address) {
  const answer = await fetch(address, { headers: { Accept: "application/dicom+json" } });
  if (!answer.ok) throw new Error("What the images are cannot be read");
  return answer.json();
}

const FEW = 16;

/** Open a series: yield its frames in the order of their numbers, the first few at once, then all. */
export async function* openStack(study, series, isGrey) {
  const place = `/studies/${study}/series/${series}/instances`;
  const frames = [];
  let known = 0, page;
  do {
    page = await ask(`${place}?limit=${known ? 1000 : FEW}&offset=${known}`);
    known += page.items.length;
    for (const instance of page.items) {
      for (let number = 1; number <= instance.frames; number += 1) frames.push(new Frame(instance, number, isGrey && !frames.length));
    }
    yield [...frames];
  } while (page.items.length && known < page.total);
}

/** Put frames in the order in which they lie in the patient, where they are parallel and no two at one place. */
export async function inSpace(study, series, frames) {
  const known = new Map((await json(`/dicom-web/studies/${study}/series/${series}/metadata`)).map(
    (dataset) => [dataset["00080018"]?.Value?.[0], dataset]));
  const placed = frames.filter((frame) => known.has(frame.uid)).map((frame) => ({ frame, info: frame.tell(known.get(frame.uid)) }));
  const [model] = placed;
  if (!model || placed.length !== frames.length) return frames;
  const depths = new Map(placed.map(({ frame, info }) => [frame, depth(info)]));
  const parallel = placed.every(({ info }) => info.orientation?.every(
    (part, at) => Math.abs(part - model.info.orientation[at]) < 1e-3));
  const distinct = new Set([...depths.values()].map((at) => at?.toFixed(2))).size === frames.length;
  if (!parallel || !distinct) return frames;
  const sorted = [...frames].sort((one, other) => depths.get(one) - depths.get(other));
  // The first image stays at the end of the stack where its number has put it.
  return depths.get(frames[0]) > depths.get(frames.at(-1)) ? sorted.reverse() : sorted;
}
