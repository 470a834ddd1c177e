/** Markdown as elements: headings, tables, lists, code and paragraphs, and nothing else. */
import { html } from "../vendor/htm-preact.js";
import { Table } from "./table.js";

const KINDS = [["heading", /^#/], ["table", /^\|/], ["list", /^- /], ["code", /^ {4}/], ["text", /\S/], ["gap", /^/]];
const DRAWN = {
  heading: ([line]) => (line.startsWith("##") ? html`<h3>${plain(line)}</h3>` : html`<h2>${plain(line)}</h2>`),
  table: ([head, , ...rows]) => html`<${Table} label=${cells(head).join(", ")} head=${cells(head)} rows=${rows.map(cells)} />`,
  list: (lines) => html`<ul>${lines.map((line) => html`<li>${plain(line.slice(2))}</li>`)}</ul>`,
  code: (lines) => html`<pre class="scrolled" tabindex="0">${lines.map((line) => line.slice(4)).join("\n")}</pre>`,
  text: (lines) => html`<p>${plain(lines.join(" "))}</p>`,
  gap: () => null,
};

/** The elements of a text; whatever else it holds stays text. */
export function markdown(text) {
  const blocks = [];
  for (const line of text.split("\n")) {
    const [kind] = KINDS.find(([, begins]) => begins.test(line));
    if (kind !== "heading" && blocks.at(-1)?.kind === kind) blocks.at(-1).lines.push(line);
    else blocks.push({ kind, lines: [line] });
  }
  return blocks.map(({ kind, lines }) => DRAWN[kind](lines));
}

const cells = (row) => row.replace(/^\||\|\s*$/g, "").split(/(?<!\\)\|/).map((cell) => plain(cell.trim()));
const plain = (text) => text
  .replace(/^#+ /, "")
  .replace(/(\*\*?)(\S(?:.*?\S)?)\1/g, "$2")
  .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
  .replaceAll("`", "").replaceAll("\\|", "|").replaceAll("&lt;", "<");
