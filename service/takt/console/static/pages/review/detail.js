/** The tile with the focus, with everything that is known and was said of it, and how it is judged. */
import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { call, url } from "../../core/api.js";
import { when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may, useSession } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { marksOf, placeOf, useInPlace } from "../../parts/judging/in_place.js";
import { Kinds } from "../../parts/judging/kinds.js";
import { Problem } from "../../parts/notice.js";
import { Pane, usePicture, useView } from "../../parts/picture.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";
import { comparedOf, whyOf } from "../../parts/threshold/witness.js";
import { Part } from "../inspection/part.js";
import { Boxes, thumbnailOf } from "./grid.js";

const LOOKED_MS = 250;
const FACTS = ["at", "model", "version", "station", "lot", "part", "caller", "kept"];
const r = t.review;

async function looked(id, signal) {
  await new Promise((resolve) => setTimeout(resolve, LOOKED_MS));
  signal.throwIfAborted();
  return Promise.all(["get_inspection", "list_judgements"].map((operation) => call(operation, { path: { id }, signal })));
}

/**
 * The tile and its facts; `times` counts up whenever a judgement is given or taken back. `said` is what was said here of it, and
 * `marking`, a ref, has what saves a box that is drawn.
 */
export function Detail({ tile, times, said, marking, reviewer }) {
  const { id, picture } = tile;
  const [heat, setHeat] = useState(false);
  const view = useView();
  const { data, error } = useFetched((signal) => looked(id, signal), [times]);
  const marks = marksOf(data?.[1].standing);
  const kinds = data?.[1].said.map(({ kind }) => kind).filter(Boolean);
  const { buttons, form } = useInPlace({ ...tile, said, view, marking, kinds, back, size: tile, drawable: Boolean(picture),
    off: !may("review") });
  useEffect(() => {
    if (data && may("review")) call("mark_inspections_seen", { body: { ids: [id], reviewer } }).catch(() => {});
  }, [data !== undefined]);
  const source = data ? url(heat ? "draw_overlay" : "get_picture", { path: { id } }) : thumbnailOf(tile);
  return html`<section aria-label=${r.detail}>
    <div class="thumb whole">${view.use().drawing ? html`<${Canvas} tile=${tile} view=${view} marks=${marks} />` : html`
      ${picture ? html`<img src=${source} alt=${fill(r.picture, { id })} />` : html`<small>${r.noPicture}</small>`}
      ${!heat && html`<${Boxes} tile=${tile} marks=${marks} />`}`}
    </div>
    ${form}
    <div class="row"><${Verdict} verdict=${verdictOf(tile)} />
      <span>${data ? whyOf(data[0]) : fill(t.live.score, comparedOf(tile))}</span></div>
    <div class="row acts">${buttons}<a class="button" href=${`/console/inspection/${id}`}>${r.open}</a>
      ${picture && html`<button type="button" class="button" aria-pressed=${String(heat)} onClick=${() => setHeat(!heat)}>${r.heat}</button>`}</div>
    <${Problem} error=${error} />
    ${data?.[0].view && html`<${Part} key=${data[0].part_number} row=${data[0]} />`}
    ${data && known(...data)}
  </section>`;
}

const back = () => document.querySelector(".grid")?.focus();

/** The picture where a box is drawn on it: it zooms, as on the inspection's page. */
function Canvas({ tile: { id, width, height, boxes }, view, marks }) {
  const [path, size] = [{ id }, { width, height }];
  const drawn = (signal) => call("draw_overlay", { path, query: { format: "png" }, as: "blob", signal });
  const { picture, error } = usePicture(url("get_picture", { path }), size, drawn);
  return html`<${Problem} error=${error} /><${Pane} ...${{ size, view, picture, marks, show: "picture", of: fill(r.tile, { id }),
    name: t.try.panes.picture, regions: boxes.map((box) => ({ box })) }} />`;
}

function known(facts, history) {
  const rows = FACTS.filter((name) => facts[name]).map((name) => [r.filters[name], name === "at" ? when(facts.at) : facts[name]]);
  const seen = history.seen.map((one) => one.reviewer).join(", ");
  return html`<table><tbody>${[...rows, ...Object.entries(facts.tags)].map(([name, value]) => html`
      <tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>
    <h2>${r.history}</h2>
    <ul class="history">${history.said.map((one) => html`<li><strong>${one.reviewer}</strong>: ${r.words.judgement[one.judgement]}
      ${one.kind && `(${one.kind})`} ${one.box && fill(t.judging.boxAt, placeOf(one.box))} <small>${when(one.at)}</small> ${one.note}</li>`)}</ul>
    <p class="quiet">${seen ? fill(r.seen, { who: seen }) : r.unseen}</p>`;
}

/** What is said by a key or a button of all that is selected; `words` go with it: a kind of defect, a note, a name. */
export function Judging({ count, judge, undo, words, setWords }) {
  const { demandsKey } = useSession();
  if (!may("review")) return html`<p class="quiet">${r.lookOnly}</p>`;
  const button = (does, text, off) => html`<button type="button" class="button" disabled=${off} onClick=${does}>${text}</button>`;
  const field = (name, most, more) => html`<label>${r[name]}<input value=${words[name]} maxlength=${most} ...${more}
    onInput=${({ target }) => setWords({ ...words, [name]: target.value })} /></label>`;
  return html`<section class="judging" aria-label=${r.judging}>
    <div class="row">${Object.entries(r.judge).map(([word, text]) => button(() => judge(word), text, !count))}
      ${button(() => (undo(), back()), r.undo, !undo)}</div>
    <p class="quiet" aria-live="polite">${fill(r.next, { count })}</p>
    <details><summary>${r.more}</summary>${field("kind", 64, { list: "kinds", autocomplete: "off" })}<${Kinds} id="kinds" />
      ${field("note", 500)}${!demandsKey && field("reviewer", 64)}</details>
  </section>`;
}
