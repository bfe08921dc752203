// Legal holds: a study is placed on hold and released, each time with a reason.
import { ask, attempt, element, notice } from "./api.js";
import { entered } from "./dialogs.js";

const LONGEST = 500;

/** Place a study on hold once somebody says why; then does what after says. */
export const place = (study, after) => attempt(async () => {
  const reason = await entered("Place this study on legal hold?", "Reason", "Place on hold", { maxLength: LONGEST });
  if (!reason) return;
  await ask(`/studies/${study}/hold`, { method: "PUT", body: { reason } });
  notice("The study is on legal hold: nothing of it can be deleted, replaced or corrected.");
  await after();
});

/** Release a study once somebody says why. */
export const release = (study, after) => attempt(async () => {
  const reason = await entered("Release this study?", "Reason", "Release", { maxLength: LONGEST });
  if (!reason) return;
  await ask(`/studies/${study}/hold?${new URLSearchParams({ reason })}`, { method: "DELETE" });
  notice("The study is released.");
  await after();
});

/** Return the row of a hold in a table; after is done once it was released. */
export function row(one, after) {
  const free = element("button", { type: "button", className: "button small", ariaLabel: `Release study ${one.study_instance_uid}` }, "Release");
  free.addEventListener("click", () => release(one.study_instance_uid, after));
  return element("tr", {},
    element("td", { className: "uid" }, element("a", { href: `/studies/${one.study_instance_uid}` }, one.study_instance_uid)),
    element("td", { className: "when" }, new Date(one.since * 1000).toLocaleString()),
    element("td", {}, one.placed_by || "unknown"), element("td", {}, one.reason),
    element("td", { className: "go" }, free));
}
