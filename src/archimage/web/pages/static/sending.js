// Sending to a node: which, how far it is, and why it failed.
import { ask, attempt, element } from "./api.js";
import { show } from "./dialogs.js";
import { follow, meter } from "./tasks.js";

const KEY = "archimage-node";

/** Let somebody choose a node, send what is chosen there ({ studies, series } by UID), and tell how it goes. */
export async function send(what, chosen) {
  const nodes = await attempt(() => ask("/nodes"));
  if (!nodes) return;
  if (!nodes.length) {
    const { dialog } = show("No node to send to", element("p", {}, "Enter the workstation or archive that is to get it under ", element("a", { href: "/nodes" }, "Nodes"), "."),
      element("div", { className: "answers" }, element("button", { className: "button", autofocus: true }, "Close")));
    dialog.querySelector("button").focus();
    return;
  }
  const choice = element("select", { autofocus: true }, ...nodes.map((node) => element("option", { value: node.ae_title },
    [node.ae_title, node.description].filter(Boolean).join(" · "))));
  choice.value = sessionStorage.getItem(KEY) ?? nodes[0].ae_title;
  if (!choice.value) choice.selectedIndex = 0;
  const close = element("button", { type: "button", className: "button" }, "Close");
  const begin = element("button", { type: "submit", className: "button primary" }, "Send");
  const cancel = element("button", { type: "button", className: "button danger", hidden: true }, "Cancel sending");
  const course = element("div", { className: "course" });
  const { dialog, form } = show(`Send ${what}`, element("label", { className: "field" }, "To ", choice), course,
    element("div", { className: "answers" }, close, cancel, begin));
  close.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, choice.value);
    run(choice.value, chosen, { begin, cancel, choice, course });
  });
}

async function run(node, chosen, { begin, cancel, choice, course }) {
  const { place, tell } = meter(`Sending to ${node}`);
  course.replaceChildren(place);
  begin.disabled = choice.disabled = true;
  try {
    const task = await ask(`/nodes/${encodeURIComponent(node)}/send`, { method: "POST", body: chosen });
    cancel.hidden = false;
    cancel.onclick = () => attempt(() => ask(`/tasks/${task.id}/cancel`, { method: "POST" }));
    await follow(task, tell);
  } catch (error) {
    tell({ state: "failed", error: error.message });
  }
  cancel.hidden = true;
  begin.disabled = choice.disabled = false;
  begin.textContent = "Send again";
}
