/** The part that a frame shows a view of: what is said of it, once it has its result. */
import { html } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { PartResult } from "../../parts/multiview/part.js";

const [WAITS_MS, AGAIN_MS] = [10_000, 11_000];

/** `view` is that of an answer of a stream; a part whose last view does not come has its result at its deadline. */
export function OfPart({ view: { part, number, view, result } }) {
  const asks = !result && may("read");
  const { data, again } = useFetched(async (signal) => (asks
    ? call("get_part", { path: { id: part }, query: { number, wait_ms: WAITS_MS }, signal }) : null), [number, asks]);
  const found = result ?? (data?.part.number === number ? data.part.result : null);
  useInterval(again, asks && !found ? AGAIN_MS : null);
  return html`<p class="of-part"><strong>${fill(t.part.viewOf, { view, part })}</strong><br />
    ${found ? html`<${PartResult} result=${found} />` : t.part.open}</p>`;
}
