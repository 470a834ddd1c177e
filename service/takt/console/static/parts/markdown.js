/** Markdown as elements: headings, tables, lists, code and paragraphs, and nothing else. */
import { html } from "../vendor/htm-preact.js";
import { Table } from "./table.js";

const KINDS = [["heading", /^#/], ["table", /^\|/], ["list", /^- /], ["code", /^ {4}/], ["text", /\S/], ["gap", /^/]];
const DRAWN = {
  heading: ([line]) => (line.startsWith("##") ? html`<h3>${plain(line)}</h3>` : html`<h2>${plain(line)}</h2>`),
  table: ([head, , ...rows]) => html`<${Table} label=${cells(head).join(", ")} head=${cells(head)} rows=${rows.map(cells)} />`,
  list: (lines) => html`<ul>${lines.map((one) => html`<li>${line(one.slice(2))}</li>`)}</ul>`,
  code: (lines) => html`<pre class="scrolled" tabindex="0">${lines.map((one) => one.slice(4)).join("\n")}</pre>`,
  text: (lines) => html`<p>${line(lines.join(" "))}</p>`,
  gap: () => null,
};

/** The elements of a text; whatever else it holds stays text. */
export function markdown(text) {
  const blocks = [];
  for (const one of text.split("\n")) {
    const [kind] = KINDS.find(([, begins]) => begins.test(one));
    if (kind !== "heading" && blocks.at(-1)?.kind === kind) blocks.at(-1).lines.push(one);
    else blocks.push({ kind, lines: [one] });
  }
  return blocks.map(({ kind, lines }) => DRAWN[kind](lines));
}

const LINK = /\[([^\]]*)\]\((\/console\/[^)]*)\)/;

/** A line in which links to the console's own pages are links. */
function line(text) {
  const [before, name, page] = text.split(LINK);
  if (page === undefined) return plain(text);
  return [plain(before), html`<a href=${page}>${name}</a>`, line(text.slice(text.indexOf(page) + page.length + 1))];
}

const cells = (row) => row.replace(/^\||\|\s*$/g, "").split(/(?<!\\)\|/).map((cell) => line(cell.trim()));
const plain = (text) => text
  .replace(/^#+ /, "")
  .replace(/(\*\*?)(\S(?:.*?\S)?)\1/g, "$2")
  .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
  .replaceAll("`", "").replaceAll("\\|", "|").replaceAll("&lt;", "<");
