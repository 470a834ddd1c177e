/** A table for pages. */
import { html } from "../vendor/htm-preact.js";

/** Scrolls within its own place; the first cell of each of `rows` is the row's head, `number` aligns the others. */
export function Table({ label, head, rows, number = false }) {
  return html`<div class="scrolled" tabindex="0" role="region" aria-label=${label}><table>
    <thead><tr>${head.map((name, at) => html`<th scope="col" class=${number && at ? "number" : ""}>${name}</th>`)}</tr></thead>
    <tbody>${rows.map(([first, ...cells]) => html`<tr>
      <th scope="row">${first}</th>${cells.map((cell) => html`<td class=${number ? "number" : ""}>${cell}</td>`)}
    </tr>`)}</tbody>
  </table></div>`;
}
