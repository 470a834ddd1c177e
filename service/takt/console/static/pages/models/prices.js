/** What other false-reject rates would reject and find; each can be taken. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { count, percent } from "../../core/format.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Table } from "../../parts/table.js";
import { Term } from "../../parts/term.js";

const p = t.prices;

/** A row for each rate; `after` is told of a change. */
export function Prices({ path, version: { self_test: tested, thresholds }, after }) {
  const [asked, ask] = useState(null);
  const prices = tested?.prices;
  if (!prices?.at.length) return null;
  const confirm = async (reason) => {
    const { image, pixel } = asked;
    after(await call("set_threshold_of_version", { path, body: { image, pixel, reason } }));
  };
  const title = asked && fill(p.take, { alpha: percent(asked.alpha) });
  const of = (part, whole) => (whole ? `${count(part)} (${percent(part / whole)})` : "–");
  const take = (one) => html`
    <button type="button" class="button" onClick=${() => ask(one)}>${fill(p.take, { alpha: percent(one.alpha) })}</button>`;
  const inForce = (one) => one.image === thresholds.image && one.pixel === thresholds.pixel;
  const byLot = prices.at.some((one) => one.next_lot !== null);
  const [alpha, rejected, ...found] = p.columns;
  const head = [alpha, rejected, ...(byLot ? [p.nextLot] : []), ...found];
  const rows = prices.at.map((one) => [
    percent(one.alpha),
    of(one.rejected, prices.good),
    ...(byLot ? [one.next_lot === null ? "–" : percent(one.next_lot)] : []),
    of(one.made_up, prices.made_up),
    of(one.given, prices.given),
    inForce(one) ? html`<strong>${p.now}</strong>` : may("operate") && take(one),
  ]);
  return html`<section class="card">
    <h2><${Term} of="prices" text=${p.title} /></h2>
    <p>${fill(p.of, { good: count(prices.good), made: count(prices.made_up), given: count(prices.given) })}</p>
    <${Table} number label=${p.title} head=${head} rows=${rows} />
    ${prices.advice && html`<p>${fill(p.advice, { advice: prices.advice })}</p>`}
    <${ReasonDialog} open=${asked} title=${title} action=${title} onConfirm=${confirm} onClose=${() => ask(null)}>
      <p>${p.means}</p><//>
  </section>`;
}
