// What runs here: its health, its room, its versions, and its settings with where each came from.
import { ask, attempt, element, later } from "./api.js";

const EVERY_MS = 10000, GROWTH_EVERY_MS = 60000, DAY_S = 86400, HOUR_S = 3600;
const part = (name) => document.getElementById(name);
const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];
const number = (value) => value.toLocaleString("en");
const shown = (value) => (typeof value === "object" && !Object.keys(value).length ? "empty" : value === "" ? "empty" : typeof value === "string" ? value : JSON.stringify(value));

function bytes(size) {
  let step = 0, left = size;
  while (left >= 1000 && step < UNITS.length - 1) { left /= 1000; step += 1; }
  return `${step ? left.toFixed(left < 10 ? 1 : 0) : left} ${UNITS[step]}`;
}

function age(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 2 * HOUR_S) return `${Math.round(seconds / 60)} min`;
  return seconds < 2 * DAY_S ? `${Math.round(seconds / HOUR_S)} h` : `${Math.round(seconds / DAY_S)} days`;
}

const fill = (name, pairs) => part(name).replaceChildren(...pairs.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))));

function showSystem(found) {
  const { storage, counts } = found;
  part("room").value = storage.total_bytes ? 1 - storage.free_bytes / storage.total_bytes : 0;
  fill("server", [["Version", `archimage ${found.version}`], ["AE title", found.ae_title], ["DICOM", [found.dicom_port && `${found.dicom_address}, port ${found.dicom_port}`, found.dicom_tls_port && `${found.dicom_address}, port ${found.dicom_tls_port} with TLS`].filter(Boolean).join("; ")],
    ["HTTP", `${found.http_address}, port ${found.http_port}`], ["Processes", number(found.workers)],
    ["Running for", `${age(found.uptime_s)}, since ${new Date(found.started * 1000).toLocaleString()}`]]);
  fill("storage", [["Free", `${bytes(storage.free_bytes)} of ${bytes(storage.total_bytes)}`], ["Used, by whatever", bytes(storage.used_bytes)],
    ["Patients", number(counts.patients)], ["Studies", number(counts.studies)], ["Series", number(counts.series)],
    ["Objects", number(counts.instances)], ["Directory", element("span", { className: "mono" }, found.directory)]]);
  fill("index", [["Kind", found.index_kind], ["Size", bytes(found.index_size_bytes)]]);
  fill("versions", [["Python", found.python], ...Object.entries(found.libraries)]);
}

/** Tell what came in, and for how long there is room if it goes on so. */
async function showGrowth() {
  const [growth, system] = await Promise.all([ask("/system/growth"), ask("/system")]);
  const came = ({ instances, size_bytes: size }) => `${number(instances)} objects, ${bytes(size)}`;
  const days = growth.week.size_bytes ? system.storage.free_bytes / (growth.week.size_bytes / 7) : Infinity;
  fill("growth", [["Came in a day", came(growth.day)], ["Came in 7 days", came(growth.week)], ["Came in 30 days", came(growth.month)],
    ["Full in", days > 36500 ? "over a hundred years, at the last week's rate" : `${number(Math.floor(days))} days, at the last week's rate`]]);
}

async function showHealth() {
  let lines;
  try {
    const answer = await fetch("/health", { headers: { Accept: "application/json" } });
    const { status, parts } = await answer.json();
    lines = [["Everything together", answer.ok, status], ...Object.entries(parts).map(([name, { state, reason }]) => [name, state === "ok", reason ?? state])];
  } catch {
    lines = [["The server", false, "does not answer"]];
  }
  part("health").replaceChildren(...lines.map(([name, good, said]) => element("li", {}, `${name}: `, element("strong", { className: good ? "good" : "bad" }, said))));
}

let settings = [];
function showSettings() {
  const word = part("word").value.trim().toLowerCase(), given = part("given").checked;
  const found = settings.filter((one) => (!given || one.source !== "default") && `${one.name} ${one.description} ${one.source_name}`.toLowerCase().includes(word));
  part("settings").replaceChildren(...found.map((one) => element("tr", {},
    element("td", { className: "mono" }, one.name),
    element("td", { className: "mono" }, shown(one.value), one.source === "default" || one.secret || one.default === null ? null : element("span", { className: "sub" }, `default: ${shown(one.default)}`)),
    element("td", {}, one.source.replace("-", " "), one.source_name ? element("span", { className: "sub mono" }, one.source_name) : null),
    element("td", { className: "sub" }, one.description))));
  part("none").hidden = found.length > 0;
}

async function refresh() {
  await Promise.all([showHealth(), ask("/system").then(showSystem)]);
}

part("narrow").addEventListener("submit", (event) => event.preventDefault());
part("word").addEventListener("input", later(showSettings, 80));
part("given").addEventListener("change", showSettings);
setInterval(() => !document.hidden && refresh().catch(() => {}), EVERY_MS);
setInterval(() => !document.hidden && showGrowth().catch(() => {}), GROWTH_EVERY_MS);
attempt(refresh);
attempt(showGrowth);
attempt(async () => { settings = await ask("/settings"); showSettings(); });
