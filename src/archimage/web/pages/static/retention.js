// How long what is kept is kept: the studies on legal hold.
import { ask, attempt } from "./api.js";
import { row } from "./holds.js";
import { newest } from "./newest.js";

const PAGE = 50;
const part = (name) => document.getElementById(name);
const rows = part("holds"), more = part("more-holds");

const page = async (shown) => (await ask(`/holds?limit=${PAGE}&offset=${shown}`)).items;
const show = newest({ rows, more, none: part("no-holds"), size: PAGE, page, key: () => rows.rows.length, row: (one) => row(one, show) });

attempt(show);
