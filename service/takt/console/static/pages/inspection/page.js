/** The page Inspection: everything that is known of one, and why its part was rejected or passed. */
import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { navigate, useAddress } from "../../core/address.js";
import { call, url } from "../../core/api.js";
import { bytes, percent, score, when } from "../../core/format.js";
import { useFetched, useKeys } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { readMap } from "../../parts/anomaly_map.js";
import { Facts, Regions } from "../../parts/facts.js";
import { Gauge, leaned, useUsual } from "../../parts/threshold/gauge.js";
import { marksOf, useInPlace } from "../../parts/judging/in_place.js";
import { useReviewer, useSaid } from "../../parts/judging/said.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Panes, usePicture, useView } from "../../parts/picture.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";
import { witnessesOf } from "../../parts/threshold/witness.js";
import { Oddness } from "../../parts/watching/oddness.js";
import { Judging } from "./judging.js";
import { Part } from "./part.js";

const { inspection: words } = t;
const STAGES = Object.keys(t.facts.stages);

/** The page. */
export default function Page() {
  const { rest: [id] } = useAddress();
  const { data, error, again } = useFetched((signal) => Promise.all(
    ["get_inspection", "get_neighbours", "list_judgements"].map((what) => call(what, { path: { id }, signal }))), [id]);
  const [row, { before, after } = {}, history] = data ?? [];
  const pages = [[before, words.before], [after, words.after]];
  const go = (to) => to && navigate(`/console/inspection/${to}`);
  useKeys({ ArrowLeft: () => go(before), ArrowRight: () => go(after) });
  return html`<div class="row page-head"><h1>${fill(words.heading, { id })}</h1>${pages.map(([to, text]) => html`
      <a class="button" href=${to && `/console/inspection/${to}`} aria-disabled=${!to}>${text}</a>`)}</div>
    <${Problem} error=${error} />
    ${row?.id === Number(id) && !error && html`<${Inspection} key=${row.id} row=${row} history=${history} again=${again} />`}`;
}

function Inspection({ row, history, again }) {
  const view = useView();
  const path = { id: row.id };
  const [said, reviewer] = [useSaid()(row.id, { ids: [row.id] }, again), useReviewer()];
  const [marks, marking] = [marksOf(history.standing), useRef(null)];
  const { buttons, form } = useInPlace({ ...row, said, view, marking, size: row, drawable: Boolean(row.picture) });
  const drawn = (signal) => call("draw_overlay", { path, query: { format: "png" }, as: "blob", signal });
  const { picture, error, rendered } = usePicture(row.picture ? url("get_picture", { path }) : null, row, drawn);
  const map = useFetched((signal) => (row.picture ? mapOf(row, signal) : Promise.resolve(undefined)), [row.id]);
  useEffect(() => {
    if (may("review")) call("mark_inspections_seen", { body: { ids: [row.id], reviewer } }).catch(() => {});
  }, [row.id]);
  const [lean, setLean] = useState(1);
  const usual = useUsual(row.model, row.version);
  const seen = useMemo(() => leaned(map.data, lean), [map.data, lean]);
  const overlay = { name: t.try.panes.overlay, show: "overlay", map: seen, regions: row.regions };
  // The service's rendering has map and regions already.
  const plain = { name: t.try.panes.picture, show: "picture", map: seen };
  const panes = rendered ? [{ ...overlay, show: "picture", regions: [] }] : [plain, overlay];
  const answer = { ...row, timings_ms: Object.fromEntries(STAGES.map((stage) => [stage, row[`${stage}_ms`]])) };
  return html`<div class="bench">
    <div>
      ${form}
      <${Problem} error=${error} />
      <${Panes} panes=${panes} view=${view} picture=${picture} size=${row} marks=${marks} of=${fill(words.heading, row)} />
      ${marks.length > 0 && html`<p class="quiet">${t.judging.marks}</p>`}
      ${!row.picture && html`<${Notice} title=${row.kept ? fill(words.removed, { why: words.kept[row.kept] }) : words.notKept} />`}
      ${rendered && html`<${Notice} tone="near" title=${words.rendered} />`}
      ${map.error && html`<${Notice} tone="near" title=${words.noMap}><p>${map.error.detail}</p><//>`}
    </div>
    <aside>
      <${Verdict} verdict=${verdictOf(row)} size="large" />
      <p class="inspection-why">${whyOf(row)}</p>
      <${Gauge} answer=${row} ...${{ usual, map: map.data, lean, setLean, waits: map.loading }} />
      ${buttons}
    </aside></div>
    <div class="cards">
      <div class="inspection-said">${row.view && html`<${Part} key=${row.part_number} row=${row} />`}
        <${Judging} row=${row} history=${history} marking=${marking} again=${() => (said.forget(), again())} />
        <${Oddness} id=${row.id} /></div>
      <section class="card"><${Facts} answers=${[answer]} /><${Regions} regions=${row.regions} view=${view} /></section>
      <section class="card"><h2>${words.record}</h2><${Record} row=${row} />
        ${may("operate") && html`<p><a href=${`/console/audit/changes?inspection=${row.id}`}>${words.audit}</a></p>`}
        ${row.picture && html`<${Replay} id=${row.id} />`}</section>
    </div>`;
}

/** In plain words: why the part was rejected or passed, and what its score means. */
function whyOf({ regions: [strongest], percentile, ...row }) {
  const { box: [x, y, width, height] = [] } = strongest ?? {};
  const figures = { ...row, why: witnessesOf({ ...row, regions: strongest ? [strongest] : [] }), percent: percent(percentile / 100),
    x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
  if (row.undecided) return fill(words.undecided, figures);
  const said = [row.anomalous ? words.rejected : words.passed];
  // Where regions are not kept, a reject without a score for it had one all the same.
  if (strongest || !row.anomalous || row.score > row.threshold) said.push(strongest ? words.strongest : row.anomalous ? words.spread : words.even);
  if (percentile !== null) said.push(words.percentile);
  if (row.kept === "near") said.push(words.near);
  return fill(said.join(" "), figures);
}

async function mapOf({ id, model, version, pixel_threshold: threshold }, signal) {
  const [answer, { versions }] = await Promise.all([
    call("draw_map", { path: { id }, query: { format: "npy" }, signal, as: "response" }),
    call("get_model", { path: { name: model }, signal })]);
  const box = answer.headers.get("X-Takt-Inspected").split(",").map(Number);
  const { map_low: low } = versions.find((one) => one.version === version);
  return readMap(await answer.arrayBuffer(), box, low, threshold);
}

function Record({ row }) {
  const link = (page, query, text) => html`<a href=${`/console/${page}?${new URLSearchParams(query)}`}>${text}</a>`;
  const all = (name) => row[name] && link("review", { kept: "all", [name]: row[name] }, row[name]);
  const values = {
    ...row, at: when(row.at), station: all("station"), lot: all("lot"), part: all("part"), kept: words.kept[row.kept],
    model: link(`models/${encodeURIComponent(row.model)}`, { version: row.version }, `${row.model}, ${row.version}`),
    tags: Object.entries(row.tags).map((tag) => tag.join(" = ")).join(", "), size: `${row.width} × ${row.height} px`,
    input: `${row.input_format}, ${bytes(row.input_bytes)}`, pixel_threshold: score(row.pixel_threshold),
  };
  return html`<table><tbody>${Object.entries(words.fields).map(([name, field]) => values[name] && html`
    <tr><th scope="row">${field}</th><td>${values[name]}</td></tr>`)}</tbody></table>`;
}

function Replay({ id }) {
  const [{ found, error, busy }, setState] = useState({});
  const replay = () => {
    setState({ busy: true });
    call("replay_inspection", { path: { id } }).then((answer) => setState({ found: answer }), (failed) => setState({ error: failed }));
  };
  const unlike = ["verdict", "score", "regions"].filter((what) => found && !found[`same_${what}`]).map((what) => t.facts[what]);
  return html`<button type="button" class="button" disabled=${busy} onClick=${replay}>${words.replay}</button>
    <${Problem} error=${error} />
    ${found && html`<${Notice} tone=${found.reproduced ? "quiet" : "defect"} title=${found.reproduced ? words.same : words.unlike}>
      <p>${unlike.join(", ")} ${fill(words.replayed, { before: score(found.recorded.score), after: score(found.replayed.score),
        difference: found.score_difference.toExponential(1), engine: found.replayed.engine })}
        ${found.tolerance.differs.length > 0 && fill(words.differs, { what: found.tolerance.differs.join(", ") })}</p><//>`}`;
}
