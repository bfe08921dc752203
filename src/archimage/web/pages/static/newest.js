// Tables of what the management API lists, the newest first, with more of it when that is asked for.
import { attempt } from "./api.js";

/**
 * Return what fills a table anew. page gives at most size entries before a key, 0 for the newest; key is that of an entry, row
 * its rows.
 */
export function newest({ rows, more, none, size, page, key, row }) {
  let last = 0;
  const add = (found) => {
    rows.append(...found.flatMap(row));
    last = found.length ? key(found.at(-1)) : last;
    more.hidden = found.length < size;
  };
  more.addEventListener("click", () => attempt(async () => add(await page(last))));
  return async () => {
    const found = await page(0);
    rows.replaceChildren();
    add(found);
    none.hidden = found.length > 0;
    rows.closest(".sheet").hidden = !found.length;
  };
}
