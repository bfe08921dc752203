// HL7 messages: what came, what became of it, and what failed, to be tried again.
import { ask, attempt, element } from "./api.js";

const PAGE = 25;
const rows = document.getElementById("rows"), more = document.getElementById("more"), state = document.getElementById("state");
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());
const cell = (...inside) => element("td", {}, ...inside);
const short = (...inside) => element("td", { className: "short" }, ...inside);
const sub = (text) => element("span", { className: "sub" }, text);
let last = 0;

function row(one) {
  const below = element("td", { colSpan: 6 });
  const details = element("tr", { className: "below", hidden: true }, below);
  const open = element("button", { type: "button", className: "button small", ariaExpanded: "false", ariaLabel: `Text of message ${one.id}` }, "Text");
  open.addEventListener("click", () => attempt(async () => {
    details.hidden = !details.hidden;
    open.setAttribute("aria-expanded", String(!details.hidden));
    if (!details.hidden) below.replaceChildren(element("pre", { tabIndex: 0, ariaLabel: `Message ${one.id}` }, (await ask(`/messages/${one.id}`)).text));
  }));
  const look = { failed: "bad", done: "good" }[one.state] ?? "";
  return [element("tr", {}, element("td", { className: "when" }, when(one.received_at), sub(`no. ${one.id}`)),
    short(element("strong", {}, one.kind || "no type"), sub(one.control_id)), short(one.sender.replace("|", " "), sub(one.address)),
    short(element("span", { className: look }, one.state), sub(`${one.attempts} ${one.attempts === 1 ? "try" : "tries"}`)),
    cell(one.told || "nothing", sub(one.location)),
    element("td", { className: "go" }, element("span", { className: "deeds" }, ...deeds(one), open))), details];
}

function deeds(one) {
  if (one.state !== "failed") return [];
  return [["retry", "Try again"], ["discard", "Discard"]].map(([path, name]) => {
    const made = element("button", { type: "button", className: "button small", ariaLabel: `${name}: message ${one.id}` }, name);
    made.addEventListener("click", () => attempt(async () => {
      await ask(`/messages/${one.id}/${path}`, { method: "POST" });
      await show();
    }));
    return made;
  });
}

async function page(before) {
  const found = await ask(`/messages?limit=${PAGE}${state.value ? `&state=${state.value}` : ""}${before ? `&before=${before}` : ""}`);
  last = found.items.at(-1)?.id ?? 0;
  more.hidden = found.items.length < PAGE;
  return found;
}

async function show() {
  const found = await page(0);
  rows.replaceChildren(...found.items.flatMap(row));
  document.getElementById("none").hidden = found.items.length > 0;
  rows.closest(".sheet").hidden = !found.items.length;
  document.getElementById("counts").textContent = Object.entries(found.counts).map(([name, count]) => `${count} ${name}`).join(", ");
}

more.addEventListener("click", () => attempt(async () => rows.append(...(await page(last)).items.flatMap(row))));
state.addEventListener("change", () => attempt(show));
attempt(show);
