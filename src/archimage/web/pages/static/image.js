// What the viewer needs to know of an image, from its DICOM JSON (PS3.18 Annex F), and from values to grey levels.

const read = (dataset, tag) => dataset?.[tag]?.Value;
const first = (dataset, tag) => read(dataset, tag)?.[0];
const numbers = (dataset, tag, length) => {
  const found = read(dataset, tag)?.map(Number);
  return found && found.length >= length && found.every(Number.isFinite) ? found : null;
};

/** Find a functional group of a frame: its own, that of all frames, or the data set itself (PS3.3 C.7.6.16). */
function group(dataset, frame, tag) {
  const own = read(dataset, "52009230")?.[frame - 1];
  const shared = first(dataset, "52009229");
  return first(own, tag) ?? first(shared, tag) ?? dataset;
}

/** All windows that an image brings, with what they are called. */
function windowsOf(centers, widths, names) {
  if (!centers || !widths) return [];
  return centers.slice(0, widths.length).map((center, at) => ({ name: String(names?.[at] ?? "") || `Of the image ${at + 1}`, center, width: widths[at] }))
    .filter((one) => one.width >= 1);
}

/** Describe a frame of a data set. */
export function describe(dataset, frame) {
  const values = group(dataset, frame, "00289145");
  const windowed = group(dataset, frame, "00289132");
  const bits = Number(first(dataset, "00280100") ?? 0);
  const stored = Number(first(dataset, "00280101") ?? bits);
  const photometric = String(first(dataset, "00280004") ?? "");
  const slope = Number(first(values, "00281053") ?? 1) || 1;
  const intercept = Number(first(values, "00281052") ?? 0) || 0;
  const center = numbers(windowed, "00281050", 1);
  const width = numbers(windowed, "00281051", 1);
  const inPatient = numbers(group(dataset, frame, "00289110"), "00280030", 2);
  const spacing = inPatient ?? numbers(dataset, "00181164", 2);
  const aspect = numbers(dataset, "00280034", 2);
  return {
    rows: Number(first(dataset, "00280010") ?? 0),
    columns: Number(first(dataset, "00280011") ?? 0),
    bits, stored, slope, intercept, spacing,
    atDetector: !inPatient,
    signed: Number(first(dataset, "00280103") ?? 0) === 1,
    inverted: photometric === "MONOCHROME1",
    // What the browser can window itself; the rest comes as a picture, windowed by the server.
    raw: photometric.startsWith("MONOCHROME") && [8, 16].includes(bits) && !dataset["00283000"],
    window: center && width && width[0] >= 1 ? { center: center[0], width: width[0] } : null,
    windows: windowsOf(center, width, read(windowed, "00281055")),
    aspect: spacing ? spacing[0] / spacing[1] : aspect ? aspect[0] / aspect[1] : 1,
    orientation: numbers(group(dataset, frame, "00209116"), "00200037", 6),
    position: numbers(group(dataset, frame, "00209113"), "00200032", 3),
    frameOfReference: first(dataset, "00200052") ?? null,
    thickness: Number(first(group(dataset, frame, "00289110"), "00180050")) || null,
    fps: Number(first(dataset, "00180040") ?? first(dataset, "00082144")) || (1000 / Number(first(dataset, "00181063"))) || null,
  };
}

/** Where an image lies along the normal of its plane, mm. */
export function depth({ orientation: o, position: p }) {
  if (!o || !p) return null;
  return (o[1] * o[5] - o[2] * o[4]) * p[0] + (o[2] * o[3] - o[0] * o[5]) * p[1] + (o[0] * o[4] - o[1] * o[3]) * p[2];
}

/** Say in letters where a direction points in the patient (PS3.3 C.7.6.1.1.1). */
export function letters(direction) {
  const names = [["L", "R"], ["P", "A"], ["H", "F"]];
  return direction
    .map((part, axis) => ({ size: Math.abs(part), name: names[axis][part > 0 ? 0 : 1] }))
    .filter((part) => part.size > 0.25)
    .sort((one, other) => other.size - one.size)
    .map((part) => part.name)
    .join("");
}

/** Turn what a pixel holds into its value: the sign bit of what is stored, then rescaling. */
function valueOf(raw, info) {
  const unused = 32 - info.stored;
  const number = info.signed ? (raw << unused) >> unused : (raw << unused) >>> unused;
  return number * info.slope + info.intercept;
}

/** Make a window that shows nearly all there is. */
export function fitting(pixels, info) {
  const counts = new Uint32Array(info.bits === 8 ? 256 : 65536);
  for (let at = 0; at < pixels.length; at += 1) counts[pixels[at]] += 1;
  const levels = [];
  for (let raw = 0; raw < counts.length; raw += 1) if (counts[raw]) levels.push([valueOf(raw, info), counts[raw]]);
  levels.sort((one, other) => one[0] - other[0]);
  const spare = pixels.length * 0.005;
  const cut = (from) => {
    let left = spare;
    for (const [value, count] of from) if ((left -= count) < 0) return value;
    return from[0][0];
  };
  const low = cut(levels), high = cut([...levels].reverse());
  return { center: (low + high) / 2, width: Math.max(1, high - low) };
}

/** Make the table from what a pixel holds to an opaque grey level (PS3.3 C.11.2.1.2). */
export function greys(info, { center, width }, inverted) {
  const table = new Uint32Array(info.bits === 8 ? 256 : 65536);
  const low = center - 0.5 - (width - 1) / 2;
  const range = Math.max(width - 1, 1e-6);
  const flip = inverted !== info.inverted;
  for (let raw = 0; raw < table.length; raw += 1) {
    const level = Math.min(255, Math.max(0, Math.round(((valueOf(raw, info) - low) / range) * 255)));
    table[raw] = 0xff000000 | ((flip ? 255 - level : level) * 0x010101);
  }
  return table;
}

/** Tell the value of one pixel. */
export const sample = (pixels, info, x, y) => valueOf(pixels[y * info.columns + x], info);
