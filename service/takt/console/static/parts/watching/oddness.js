/** How usual a picture is among the good ones of its calibration, fact by fact. */
import { html } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { count, percent } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { Table } from "../table.js";
import { Term } from "../term.js";
import { nameOf, textsOf } from "./fact_words.js";

const ODD = 0.1;
const MOST = 5;
const o = t.oddness;

/** A card with the oddest facts of an inspection; nothing where nothing is known of them. */
export function Oddness({ id }) {
  const { data } = useFetched((signal) => call("get_facts", { path: { id }, signal }).catch((error) => {
    if (error.status === 404) return null;
    throw error;
  }), [id]);
  if (!data) return null;
  const odd = data.facts.filter(({ tail }) => tail <= ODD).slice(0, MOST);
  return html`<section class="card"><h2><${Term} of="usual" text=${o.title} /></h2>
    <p>${data.odder > 0 ? fill(o.odder, { share: percent(data.odder, 0) }) : o.oddest}</p>
    ${odd.length === 0 ? html`<p>${o.usual}</p>` : html`<${Table} label=${o.title} head=${o.columns} rows=${odd.map(rowOf)} />`}
  </section>`;
}

function rowOf({ fact, meaning, value, usual, tail, high }) {
  const [now, then] = textsOf(fact, value, usual);
  const said = fill(o.tail, { side: o.sides[fact]?.[Number(high)] ?? o.sides.other[Number(high)], number: count(Math.round(1 / tail)) });
  return [html`<span title=${meaning}>${nameOf(fact)}</span>`, now, then, said];
}
