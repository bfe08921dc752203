// Every pool, queue, limit and cache: how large it is, how much is in use, and what happens when it is full.
import { ask, attempt, element, later } from "./api.js";

const EVERY_MS = 2000;
const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];
const part = (name) => document.getElementById(name);

function amount(size, unit) {
  if (unit === "seconds") return `${size} s`;
  if (unit !== "bytes") return size.toLocaleString("en");
  let step = 0, left = size;
  while (left >= 1024 && step < UNITS.length - 1) { left /= 1024; step += 1; }
  return `${Number(left.toFixed(left < 10 ? 1 : 0)).toLocaleString("en")} ${UNITS[step]}`;
}

const PRESSING = { full: 2, "nearly full": 1 };
const grave = (one) => PRESSING[one.state] ?? 0;

function use(one) {
  if (one.used === null) return [element("span", { className: "sub" }, "not told")];
  const words = [amount(one.used, one.unit), one.waiting ? `${one.waiting.toLocaleString("en")} waiting` : ""].filter(Boolean).join(", ");
  const bar = one.size ? element("meter", { className: grave(one) ? "bad" : "", min: 0, max: one.size, value: one.used, ariaLabel: `${one.name} in use` }) : null;
  return [bar, element("span", { className: grave(one) ? "bad" : "" }, words)];
}

function row(one) {
  const where = one.setting ? element("span", { className: "sub mono" }, one.setting) : null;
  return element("tr", {},
    element("th", { scope: "row" }, one.name, element("span", { className: "sub" }, `${one.kind}${one.shared ? ", shared by all processes" : ""}: ${one.purpose}`)),
    element("td", { className: "use" }, ...use(one)),
    element("td", { className: "size" }, one.size === null ? "no bound" : amount(one.size, one.unit), where),
    element("td", { className: "sub" }, one.when_full));
}

let bounds = [];
function show() {
  const word = part("word").value.trim().toLowerCase(), kind = part("kind").value, told = part("told").checked;
  const found = bounds.filter((one) => (!kind || one.kind === kind) && (!told || one.used !== null) && `${one.name} ${one.purpose} ${one.setting} ${one.when_full}`.toLowerCase().includes(word));
  part("bounds").replaceChildren(...found.map(row));
  part("none").hidden = found.length > 0;
}

async function refresh() {
  const report = await ask("/concurrency");
  bounds = report.bounds.sort((one, other) => grave(other) - grave(one));
  const among = report.processes > 1 ? `of ${report.processes}; each has its own, and any of them may answer` : "the only one";
  part("whose").textContent = `This is process ${report.pid}, ${among}.`;
  const full = bounds.filter(grave).map((one) => one.name);
  const said = full.length ? `Full or nearly so: ${full.join(", ")}.` : "Nothing is full.";
  if (part("full").textContent !== said) part("full").textContent = said;
  part("full").className = full.length ? "verdict bad" : "verdict good";
  show();
}

part("narrow").addEventListener("submit", (event) => event.preventDefault());
part("word").addEventListener("input", later(show, 80));
for (const name of ["kind", "told"]) part(name).addEventListener("change", show);
setInterval(() => !document.hidden && refresh().catch(() => {}), EVERY_MS);
attempt(refresh);
