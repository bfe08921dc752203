// Print jobs: who printed what, how the films look, and what can be done with them.
import { ask, attempt, element } from "./api.js";
import { newest } from "./newest.js";

const PAGE = 25;
const part = (name) => document.getElementById(name);
const rows = part("rows"), more = part("more");
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());
const cell = (...inside) => element("td", {}, ...inside);
const sub = (...inside) => element("span", { className: "sub" }, ...inside);
const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
const address = (job) => `/print/jobs/${encodeURIComponent(job.uid)}`;
const WAITING = ["pending", "printing"];
const OPENED = new Set();

function row(job) {
  const below = element("td", { colSpan: 5 });
  const details = element("tr", { className: "below", hidden: true }, below);
  const named = `from ${job.originator}, ${new Date(job.created_at * 1000).toLocaleString()}`;
  const open = element("button", { type: "button", className: "button small", ariaExpanded: "false", ariaLabel: `Films ${named}` }, "Films");
  const toggle = () => {
    details.hidden = !details.hidden;
    open.setAttribute("aria-expanded", String(!details.hidden));
    if (details.hidden) OPENED.delete(job.uid);
    else {
      OPENED.add(job.uid);
      below.replaceChildren(...films(job));
    }
  };
  open.addEventListener("click", toggle);
  if (OPENED.has(job.uid)) toggle();
  const copies = `${count(job.copies, "copy", "copies")}, priority ${job.priority}`;
  const state = element("span", { className: { done: "good", failed: "bad" }[job.state] ?? "" }, job.state);
  return [element("tr", { dataset: { state: job.state } }, element("td", { className: "when" }, when(job.created_at)),
    cell(element("strong", {}, job.originator), sub(`on ${job.printer}`)),
    cell(count(job.films, "film"), sub(copies), job.label ? sub(job.label) : null),
    cell(state, job.error && job.state !== "cancelled" ? sub(job.error) : null),
    element("td", { className: "go" }, element("span", { className: "deeds" }, ...deeds(job, named), open))), details];
}

function deed(name, label, work) {
  const made = element("button", { type: "button", className: "button small", ariaLabel: label }, name);
  made.addEventListener("click", () => attempt(async () => {
    await work();
    await show();
  }));
  return made;
}

function deeds(job, named) {
  const post = (what) => () => ask(`${address(job)}/${what}`, { method: "POST" });
  if (WAITING.includes(job.state)) return [deed("Cancel", `Cancel the job ${named}`, post("cancel"))];
  return [deed("Print again", `Print the job ${named} again`, post("reprint")),
    deed("Delete", `Delete the job ${named}`, () => ask(address(job), { method: "DELETE" }))];
}

function films(job) {
  if (job.state !== "done") return [element("p", {}, "The films are to be seen once they are printed.")];
  const numbers = Array.from({ length: job.films }, (_, index) => index + 1);
  const film = (number) => element("a", { href: `/api/v1${address(job)}/films/${number}/pdf`, title: `Film ${number} as PDF` },
    element("img", { src: `/api/v1${address(job)}/films/${number}/png`, alt: `Film ${number}`, loading: "lazy" }));
  return [element("div", { className: "films" }, ...numbers.map(film)),
    element("p", {}, element("a", { href: `/api/v1${address(job)}/pdf` }, "All as PDF"))];
}

async function page(before) {
  const wanted = new URLSearchParams({ limit: PAGE });
  if (part("state").value) wanted.set("state", part("state").value);
  if (before) wanted.set("before", before);
  return ask(`/print/jobs?${wanted}`);
}

const show = newest({ rows, more, none: part("none"), size: PAGE, page, key: (one) => one.created_at, row });

part("narrow").addEventListener("submit", (event) => event.preventDefault());
part("state").addEventListener("change", () => attempt(show));
attempt(show);
setInterval(() => {
  const waits = WAITING.some((state) => rows.querySelector(`[data-state=${state}]`));
  if (waits && !document.hidden) show().catch(() => {});
}, 2000);
