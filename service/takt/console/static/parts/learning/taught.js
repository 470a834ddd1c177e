/** What judged pictures have taught a version: what it finds now, whose verdict turns, and which judgements are in doubt. */
import { html } from "../../vendor/htm-preact.js";
import { url } from "../../core/api.js";
import { apart, percent } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";

const CHANCE = 0.05; // below it, what turned is hardly chance
const w = t.teach;

/** The result; `taught` is that of a learning. */
export function Taught({ taught }) {
  const { found_before: before, found_after: after, bank_found_before: bank, bank_found_after: later, turned, p_value: p } = taught;
  const heart = taught.defects - taught.compared, beside = heart === 0 ? w.all : taught.compared > 0 ? w.some : w.none;
  const rows = [[w.found, before, after], ...(later === null ? [] : [[w.foundByBank, bank, later]])];
  const kinds = Object.entries(taught.kinds).map(([kind, count]) => `${kind || w.noKind}: ${count}`).join(", ");
  const those = (to) => turned.filter((one) => one.to === to);
  return html`<section class="taught">
    <p class="taught-found">${fill(w.result, taught)} ${fill(beside, { ...taught, heart })}</p>
    ${taught.compared > 0 && html`<table><thead><tr><th scope="col">${fill(w.of, taught)}</th>${[w.before, w.after].map((text) => html`
      <th scope="col" class="number">${text}</th>`)}</tr></thead>
      <tbody>${rows.map(([text, one, other]) => html`<tr><th scope="row">${text}</th>
        ${[one, other].map((number) => html`<td class="number">${number ?? "–"}</td>`)}</tr>`)}</tbody></table>`}
    <p class="quiet">${w.fair}</p>
    ${kinds && html`<p>${fill(w.kinds, { kinds })}</p>`}
    <h3>${w.turned}</h3><p class="quiet">${taught.passed + taught.good > 0 ? fill(w.turnedOf, taught) : w.noGood}</p>
    ${turned.length === 0 && taught.passed + taught.good > 0 && html`<p>${w.noneTurned}</p>`}
    <${Pictures} title=${fill(w.rejected, { count: taught.turned_rejected })} of=${those("rejected")} said=${scores} />
    <${Pictures} title=${fill(w.accepted, { count: taught.turned_accepted })} of=${those("accepted")} said=${scores} />
    ${p !== null && html`<p>${fill(w.chance, { share: p < 0.001 ? w.least : percent(p) })} ${p < CHANCE ? w.hardly : w.perhaps}</p>`}
    ${taught.doubts.length > 0 && html`<h3>${w.doubts}</h3><p class="quiet">${w.doubtsAbout}</p>`}
    <${Pictures} of=${taught.doubts} said=${({ why }) => why} again />
  </section>`;
}

/** Score and threshold of both versions. */
function scores(one) {
  const [before, limit] = apart(one.score_before, one.threshold_before);
  const [after, later] = apart(one.score_after, one.threshold_after);
  return fill(w.scores, { before, limit, after, later });
}

/** Pictures by their inspections, each with what is `said` of it; `again` asks to judge them once more. */
function Pictures({ title, of, said, again = false }) {
  if (!of.length) return null;
  const name = ({ inspection, file }) => (inspection === null ? file : fill(t.inspection.heading, { id: inspection }));
  const picture = ({ inspection: id }) => id !== null && html`<img src=${url("get_thumbnail", { path: { id } })} alt="" loading="lazy"
    onError=${({ target }) => (target.hidden = true)} />`;
  const link = (one) => one.inspection !== null && html`<a class="button" href=${`/console/inspection/${one.inspection}`}
    aria-label=${`${again ? w.judgeAgain : w.open}: ${name(one)}`}>${again ? w.judgeAgain : w.open}</a>`;
  return html`${title && html`<h4>${title}</h4>`}<ul class="taught-pictures">${of.map((one) => html`<li>
    <span class="taught-thumb">${picture(one)}</span>
    <span><strong>${name(one)}</strong> <span class="quiet">${t.review.judged[one.judgement ?? "none"]}</span><br />${said(one)}</span>
    ${link(one)}</li>`)}</ul>`;
}
