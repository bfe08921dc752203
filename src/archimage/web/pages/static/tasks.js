// Work in the background, followed until it ends.
import { ask, element } from "./api.js";

const EVERY_MS = 400;
const ended = (task) => !["queued", "running"].includes(task.state);
const pause = () => new Promise((resolve) => setTimeout(resolve, EVERY_MS));
const count = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;

/** Follow a task: call tell with it whenever it is asked about; returns it once it has ended. */
export async function follow(task, tell = () => {}) {
  let now = task;
  for (tell(now); !ended(now); tell(now)) {
    await pause();
    now = await ask(`/tasks/${now.id}`);
  }
  return now;
}

/** Say in words what a task did or does. */
export function told(task) {
  if (task.state === "failed") return [task.error, task.next].filter(Boolean).join(". ");
  if (task.state === "cancelled") return "It was cancelled.";
  const result = task.result;
  if (task.state === "done" && result && "completed" in result) {
    const parts = [count(result.completed, "image")];
    if (result.warning) parts.push(`${result.warning} with a warning`);
    if (result.failed) parts.push(`${result.failed} failed`);
    return [parts.join(", "), result.remark].filter(Boolean).join(". ");
  }
  return task.message || (task.total ? `${task.done} of ${task.total}` : task.state);
}

/** Tell whether a task came to an end that nobody needs to look at. */
export const isGood = (task) => task.state === "done" && !task.result?.failed;

/** Give a link to what an export has made; null for all else. */
export function download(task) {
  if (task.kind !== "export" || task.state !== "done") return null;
  const number = BigInt(`0x${task.id}`);
  return element("a", { href: `/api/v1/jobs/${number}/export`, download: `export-${number}.zip` }, "Download the export");
}

/** List why single images failed, as far as the task tells. */
export function problems(task) {
  const found = Object.entries(task.result?.problems ?? {});
  return found.length ? element("ul", { className: "problems" }, ...found.map(([uid, why]) => element("li", {}, `${why} `, element("span", { className: "uid" }, uid)))) : null;
}

/** Make a bar that shows how far a task is, and its words; tell fills both in. */
export function meter(name) {
  const bar = element("progress", { max: 1, ariaLabel: name });
  const words = element("p", { className: "words", role: "status" });
  const more = element("div");
  const tell = (task) => {
    if (task.total) Object.assign(bar, { max: task.total, value: task.done });
    if (ended(task)) Object.assign(bar, { max: 1, value: 1 });
    words.textContent = told(task);
    words.className = ended(task) ? (isGood(task) ? "words good" : "words bad") : "words";
    more.replaceChildren(...[ended(task) && problems(task), download(task)].filter(Boolean));
  };
  return { place: element("div", { className: "meter" }, bar, words, more), tell };
}
