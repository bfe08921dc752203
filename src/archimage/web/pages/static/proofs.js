// What somebody is known by: tokens, shares and sessions, as rows that can be taken away.
import { ask, attempt, element } from "./api.js";
import { show as dialog, sure } from "./dialogs.js";

const cell = (inside, className = "") => element("td", { className }, inside);
export const time = (seconds) => (seconds === null ? "for ever" : new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
export const may = (token) => [
  token.operations === null ? "all that its owner may" : token.operations.join(", ") || "nothing",
  ...Object.entries(token.scope).filter(([, values]) => values.length).map(([kind, values]) => `${kind} ${values.join(", ")} alone`),
].join("; ");

/** Make a button of a row. */
export function button(text, name, does, kind = "") {
  const made = element("button", { type: "button", className: `button small ${kind}`, ariaLabel: `${text} ${name}` }, text);
  made.addEventListener("click", () => attempt(does));
  return made;
}

const KINDS = {
  tokens: { deed: "Revoke", name: (one) => one.name, told: (one) => [one.name, may(one), time(one.expires_at)], whose: (one) => one.owner, words: "Programs that come with it are refused from now on." },
  shares: { deed: "Revoke", name: (one) => one.study_instance_uid, told: (one) => [element("a", { href: `/studies/${one.study_instance_uid}`, className: "mono" }, one.study_instance_uid), time(one.expires_at)], whose: (one) => one.owner, words: "Whoever has the link sees the study no longer." },
  sessions: { deed: "End", name: (one) => `session of ${one.user}`, told: (one) => [one.address, time(one.created_at), time(one.used_at)], whose: (one) => one.user, words: "That browser has to log in again." },
};

/** Show all of a kind that stand at an address of the API; told tells whose each is too. */
export async function list(kind, root, told) {
  const { deed, name, told: cells, whose, words } = KINDS[kind];
  const found = await ask(`${root}/${kind}`);
  const rows = document.getElementById(kind);
  rows.replaceChildren(...found.map((one) => {
    const end = button(deed, name(one), async () => {
      if (!await sure(`${deed} ${name(one)}?`, words, deed)) return;
      await ask(`${root}/${kind}/${encodeURIComponent(one.id)}`, { method: "DELETE" });
      await list(kind, root, told);
    }, "danger");
    return element("tr", {}, ...(told ? [cell(whose(one))] : []), ...cells(one).map((inside) => cell(inside)), cell(end, "go"));
  }));
  rows.closest(".sheet").hidden = !found.length;
  document.getElementById(`no-${kind}`).hidden = found.length > 0;
}

/** Show a secret, which nobody sees again. */
export function reveal(title, secret, words) {
  const shown = element("input", { readOnly: true, value: secret, className: "mono secret", ariaLabel: title });
  const copy = element("button", { type: "button", className: "button primary" }, "Copy");
  copy.addEventListener("click", async () => {
    shown.select();
    await navigator.clipboard?.writeText(secret).catch(() => {});
    copy.textContent = "Copied";
  });
  dialog(title, element("p", {}, words), shown, element("div", { className: "answers" }, copy, element("button", { className: "button" }, "Close")));
  shown.select();
}
