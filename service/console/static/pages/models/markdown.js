/** A model card's Markdown as elements: headings, tables, lists and paragraphs, and nothing else. */
import { html } from "../../vendor/htm-preact.js";

const KINDS = [["heading", /^#/], ["table", /^\|/], ["list", /^- /], ["text", /\S/], ["gap", /^/]];
const DRAWN = {
  heading: ([line]) => (line.startsWith("##") ? html`<h3>${plain(line)}</h3>` : html`<h2>${plain(line)}</h2>`),
  table: ([head, , ...rows]) => html`<div class="scrolled" tabindex="0" role="region" aria-label=${cells(head).join(", ")}><table>
    <thead><tr>${cells(head).map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${cells(row).map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`,
  list: (lines) => html`<ul>${lines.map((line) => html`<li>${plain(line.slice(2))}</li>`)}</ul>`,
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
const plain = (text) => text.replace(/^#+ /, "").replace(/\*\*|`/g, "").replaceAll("\\|", "|").replaceAll("&lt;", "<");
