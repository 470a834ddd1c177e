/** The page Words: what the console's words mean, and what engineers call the same. */
import { html, useEffect } from "../../vendor/htm-preact.js";
import { t } from "../../core/strings.js";

const w = t.words;

/** The page; each word has an anchor of its own. */
export default function Page() {
  const meant = location.hash.slice(1);
  useEffect(() => document.getElementById(meant)?.scrollIntoView({ block: "center" }), [meant]);
  return html`<div class="row page-head"><h1>${w.title}</h1></div><p class="quiet">${w.about}</p>
    <dl class="card words">${Object.entries(w.list).map(([id, { word, means, engineers }]) => html`
      <dt id=${id} class=${id === meant ? "meant" : null}>${word}
        ${engineers && html` <small>${w.engineers} ${engineers}</small>`}</dt><dd>${means}</dd>`)}</dl>`;
}
