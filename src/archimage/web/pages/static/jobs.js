// Durable work: what waits, runs, is paused, and what failed and why.
import { ask, attempt, element, notice } from "./api.js";
import { sure } from "./dialogs.js";
import { verify } from "./studywork.js";

const PAGE = 50, EVERY_MS = 1500;
const rows = document.getElementById("rows"), more = document.getElementById("more"), filter = document.getElementById("filter");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (text) => element("span", { className: "sub" }, text);
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());
const STATES = { done: "good", failed: "bad" };
const AT_LARGE = ["waiting", "running", "paused"];
let last = null, older = false, asking = false;

function button(text, name, work) {
  const made = element("button", { type: "button", className: "button small", ariaLabel: name }, text);
  made.addEventListener("click", () => attempt(async () => { if (await work() !== false) await show(); }));
  return made;
}

const deed = (text, one, path, told) => button(text, `${text} job ${one.id}`, async () => {
  await ask(`/jobs/${one.id}/${path}`, { method: "POST" });
  notice(`Job ${one.id} ${told}`);
});

async function cancel(one) {
  if (!await sure("Cancel the job?", one.title, "Cancel it", { keep: "Let it go on" })) return false;
  await ask(`/jobs/${one.id}/cancel`, { method: "POST" });
  return true;
}

async function hold(one) {
  const body = { kind: one.kind, destination: one.destination };
  if (!await sure("Pause all of them?", `No job of the kind ${one.kind} for ${one.destination} is then begun until somebody resumes them.`, "Pause all")) return false;
  await ask("/jobs/pause", { method: "POST", body });
  return true;
}

function deeds(one) {
  const waits = one.state === "waiting", retries = ["failed", "cancelled"].includes(one.state) || (waits && one.error);
  return element("span", { className: "deeds" },
    one.kind === "export" && one.state === "done" ? element("a", { className: "button small", href: `/api/v1/jobs/${one.id}/export`, download: `export-${one.id}.zip`, ariaLabel: `Download export ${one.id}` }, "Download") : null,
    retries ? deed("Retry", one, "retry", "is tried again") : null,
    waits || one.state === "running" ? deed("Pause", one, "pause", "is paused") : null,
    one.state === "paused" ? deed("Resume", one, "resume", "goes on") : null,
    one.destination && AT_LARGE.includes(one.state) ? button("Pause all", `Pause all of job ${one.id}`, () => hold(one)) : null,
    [...AT_LARGE, "failed"].includes(one.state) ? button("Cancel", `Cancel job ${one.id}`, () => cancel(one)) : null);
}

function row(one) {
  const tries = one.error ? sub(`${one.attempts} ${one.attempts === 1 ? "try" : "tries"}: ${[one.error, one.next].filter(Boolean).join(". ")}`) : null;
  const next = one.state === "waiting" && one.due_at * 1000 > Date.now() ? sub(`next at ${new Date(one.due_at * 1000).toLocaleTimeString()}`) : null;
  const bar = one.total ? element("progress", { max: one.total, value: one.done, ariaLabel: `Progress of job ${one.id}` }) : null;
  const words = one.total ? sub(`${one.done} of ${one.total}${one.message ? `, ${one.message}` : ""}`) : sub(one.message);
  return element("tr", {}, element("td", { className: "when" }, when(one.created_at), sub(`no. ${one.id}`)),
    cell(element("strong", {}, one.title), sub([one.kind, one.owner].filter(Boolean).join(", "))), element("td", { className: "when" }, one.destination),
    cell(element("span", { className: STATES[one.state] ?? "" }, one.state), tries, next), cell(bar, words),
    element("td", { className: "go" }, deeds(one)));
}

const lane = (one) => element("li", {}, `${one.kind} for ${one.destination || "nobody"} `, button("Resume", `Resume ${one.kind} for ${one.destination}`, () => ask("/jobs/resume", { method: "POST", body: one })));

async function page(before) {
  const asked = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of new FormData(filter)) if (value) asked.set(name, value);
  if (before) asked.set("before", before);
  const found = await ask(`/jobs?${asked}`);
  last = found.at(-1)?.id ?? null;
  more.hidden = found.length < PAGE;
  return found;
}

async function show() {
  older = false;
  const [found, counts, paused] = await Promise.all([page(null), ask("/jobs/counts"), ask("/jobs/paused")]);
  const kinds = document.getElementById("kinds");
  const known = new Set([...kinds.options].map((one) => one.value));
  kinds.append(...Object.keys(counts).filter((kind) => !known.has(kind)).map((kind) => element("option", { value: kind }, kind)));
  rows.replaceChildren(...found.map(row));
  document.getElementById("lanes").replaceChildren(...paused.map(lane));
  document.getElementById("paused").hidden = !paused.length;
  document.getElementById("none").hidden = found.length > 0;
  rows.closest(".sheet").hidden = !found.length;
}

/** Look again, unless somebody is about to press something, or reads what is older. */
async function refresh() {
  if (asking || older || document.hidden || rows.contains(document.activeElement) || document.querySelector("dialog[open]")) return;
  asking = true;
  try {
    await show();
  } catch {
    // the next look tells
  } finally {
    asking = false;
  }
}

document.getElementById("verify").addEventListener("click", () => verify("all that is stored"));
more.addEventListener("click", () => attempt(async () => {
  rows.append(...(await page(last)).map(row));
  older = true;
}));
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(show);
});
attempt(show);
setInterval(refresh, EVERY_MS);
