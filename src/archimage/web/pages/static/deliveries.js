// What other nodes are to be told: what waits, what failed and why.
import { ask, attempt, element, notice } from "./api.js";
import { sure } from "./dialogs.js";

const PAGE = 50;
const KINDS = {
  "mpps-create": "Performed step begun", "mpps-set": "Performed step changed", "mpps-notify": "State of a performed step",
  availability: "Instances are here",
};
const rows = document.getElementById("rows"), more = document.getElementById("more"), filter = document.getElementById("filter");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (text) => element("span", { className: "sub" }, text);
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());
const STATES = { done: "good", failed: "bad" };
let last = null;

function button(text, one, work) {
  const made = element("button", { type: "button", className: "button small", ariaLabel: `${text} delivery ${one.id}` }, text);
  made.addEventListener("click", () => attempt(async () => { if (await work()) await show(); }));
  return made;
}

const deed = (text, one, path, words) => button(text, one, async () => {
  await ask(`/deliveries/${one.id}/${path}`, { method: "POST" });
  notice(`Delivery ${one.id} ${words}`);
  return true;
});

async function remove(one) {
  if (one.state !== "done" && !await sure("Remove the delivery?", `${one.destination} will then never hear of it.`, "Remove", { keep: "Leave it" })) return false;
  await ask(`/deliveries/${one.id}`, { method: "DELETE" });
  return true;
}

function row(one) {
  const tries = one.attempts ? sub(`${one.attempts} ${one.attempts === 1 ? "try" : "tries"}${one.error ? `: ${one.error}` : ""}`) : null;
  const next = one.state === "waiting" && one.attempts ? sub(`next at ${new Date(one.due_at * 1000).toLocaleTimeString()}`) : null;
  return element("tr", {}, element("td", { className: "when" }, when(one.created_at), sub(`no. ${one.id}`)),
    cell(element("strong", {}, KINDS[one.kind] ?? one.kind), element("span", { className: "sub uid" }, one.about)), cell(one.destination),
    cell(element("span", { className: STATES[one.state] ?? "" }, one.state), tries, next),
    element("td", { className: "go" }, element("span", { className: "deeds" },
      one.state === "failed" ? deed("Retry", one, "retry", "is tried again") : null,
      one.state === "waiting" ? deed("Pause", one, "pause", "is paused") : null,
      one.state === "paused" ? deed("Resume", one, "resume", "goes on") : null, button("Remove", one, () => remove(one)))));
}

async function page(before) {
  const asked = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of new FormData(filter)) if (value) asked.set(name, value);
  if (before) asked.set("before", before);
  const found = await ask(`/deliveries?${asked}`);
  last = found.at(-1)?.id ?? null;
  more.hidden = found.length < PAGE;
  return found;
}

async function show() {
  const [found, counts] = await Promise.all([page(null), ask("/deliveries/counts")]);
  const kinds = document.getElementById("kinds");
  const known = new Set([...kinds.options].map((one) => one.value));
  kinds.append(...Object.keys(counts).filter((kind) => !known.has(kind)).map((kind) => element("option", { value: kind }, KINDS[kind] ?? kind)));
  rows.replaceChildren(...found.map(row));
  document.getElementById("none").hidden = found.length > 0;
  rows.closest(".sheet").hidden = !found.length;
}

more.addEventListener("click", () => attempt(async () => rows.append(...(await page(last)).map(row))));
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(show);
});
attempt(show);
