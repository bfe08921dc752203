// A link by which anybody sees one study for a while.
import { ask, attempt, element } from "./api.js";
import { show as dialog } from "./dialogs.js";
import { reveal } from "./proofs.js";

/** Ask for how long, make a link and show it. */
export function share(study) {
  const days = element("select", { name: "days" }, ...[["1", "a day"], ["7", "7 days"], ["30", "30 days"], ["90", "90 days"]].map(([value, text]) => element("option", { value, selected: value === "7" }, text)));
  const close = element("button", { type: "button", className: "button" }, "Cancel");
  const { dialog: opened, form } = dialog("Share this study",
    element("p", {}, "Whoever has the link sees this study, and nothing else, without logging in."),
    element("label", { className: "field" }, "For ", days),
    element("div", { className: "answers" }, close, element("button", { type: "submit", className: "button primary" }, "Make a link")));
  close.addEventListener("click", () => opened.close());
  form.addEventListener("submit", () => attempt(async () => {
    const made = await ask("/shares", { method: "POST", body: { study_instance_uid: study, days: Number(days.value) } });
    reveal("Link to this study", new URL(made.path, location.origin).href, "Send it as you would send the images. It is not shown again; under your name, above, it can be revoked.");
  }));
}
