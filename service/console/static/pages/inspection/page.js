/** The page Inspection: everything that is known of one, and why its part was rejected or passed. */
import { html, useState } from "../../vendor/htm-preact.js";
import { navigate, useAddress } from "../../core/address.js";
import { call, url } from "../../core/api.js";
import { bytes, percent, score, when } from "../../core/format.js";
import { useFetched, useKeys } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { readMap } from "../../parts/anomaly_map.js";
import { Facts, Regions } from "../../parts/facts.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Picture, PictureTools, usePicture, useView } from "../../parts/picture.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";
import { Judging } from "./judging.js";

const { inspection: words } = t;
const page = (path, query = {}) => `/console/${path}?${new URLSearchParams(query)}`;

/** The page. */
export default function Page() {
  const { rest: [id] } = useAddress();
  const { data, error, again } = useFetched(async (signal) => {
    const one = { path: { id }, signal };
    const [row, around, history] = await Promise.all([
      call("get_inspection", one), call("get_neighbours", one), call("list_judgements", one)]);
    return { row, around, history };
  }, [id]);
  const go = (to) => to && navigate(`/console/inspection/${to}`);
  useKeys({ ArrowLeft: () => go(data?.around.before), ArrowRight: () => go(data?.around.after) });
  const link = (to, text) => html`<a class="button" href=${to && `/console/inspection/${to}`} aria-disabled=${!to}>${text}</a>`;
  return html`<div class="row"><h1>${fill(words.heading, { id })}</h1>
      ${data && html`${link(data.around.before, words.before)} ${link(data.around.after, words.after)}`}</div>
    <${Problem} error=${error} />
    ${data && !error && html`<${Inspection} key=${data.row.id} ...${data} again=${again} />`}`;
}

function Inspection({ row, history, again }) {
  const view = useView();
  const { picture, error, rendered } = useKept(row);
  const map = useFetched((signal) => (row.picture ? mapOf(row, signal) : Promise.resolve(null)), [row.id]);
  const maps = map.data ? [map.data] : [];
  const regions = rendered ? [] : row.regions; // the service's rendering has them already
  const pane = { view, picture, size: row };
  const label = (name) => fill(words.pane, { pane: name, id: row.id, regions: row.regions.length });
  const timings = Object.keys(t.facts.stages).map((stage) => [stage, row[`${stage}_ms`]]);
  return html`<div class="row"><${Verdict} verdict=${verdictOf(row.anomalous)} size="large" />
      <p class="inspection-why">${whyOf(row)}</p></div>
    ${!row.picture && html`<${Notice}><p>${row.kept ? fill(words.removed, { why: words.kept[row.kept] }) : words.notKept}</p><//>`}
    ${rendered && html`<${Notice} tone="near"><p>${words.rendered}</p><//>`}
    ${map.error && html`<${Notice} tone="near" title=${words.noMap}><p>${map.error.detail}</p><//>`}
    <${Problem} error=${error} />
    <${PictureTools} view=${view} picture=${picture} maps=${maps} />
    <div class="panes">
      <${Picture} ...${pane} caption=${t.try.panes.picture} label=${label(t.try.panes.picture)} show="picture" />
      <${Picture} ...${pane} caption=${t.try.panes.overlay} label=${label(t.try.panes.overlay)}
        map=${rendered ? null : map.data} regions=${regions} />
    </div>
    <div class="cards">
      <section class="card"><${Facts} answers=${[{ ...row, timings_ms: Object.fromEntries(timings) }]} /></section>
      <section class="card"><${Regions} regions=${row.regions} view=${view} /></section>
      <${Judging} row=${row} history=${history} again=${again} />
      <section class="card"><h2>${words.record}</h2><${Record} row=${row} />
        ${row.picture && html`<${Replay} id=${row.id} />`}</section>
    </div>`;
}

/** In plain words: why the part was rejected or passed, and what its score means. */
function whyOf(row) {
  const { box: [x, y, width, height] = [], peak } = row.regions[0] ?? {};
  const figures = { ...row, score: score(row.score), threshold: score(row.threshold), peak: score(peak),
    x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
  const { percentile } = row;
  return [
    fill(row.anomalous ? words.rejected : words.passed, figures),
    row.regions.length ? fill(words.strongest, figures) : words.spread,
    percentile !== null && fill(words.percentile, { percent: percent(percentile / 100) }),
    row.kept === "near" && words.near,
  ].filter(Boolean).join(" ");
}

async function mapOf(row, signal) {
  const [answer, model] = await Promise.all([
    call("draw_map", { path: { id: row.id }, query: { format: "npy" }, signal, as: "response" }),
    call("get_model", { path: { name: row.model }, signal })]);
  const box = answer.headers.get("X-Takt-Inspected").split(",").map(Number);
  const { map_low: low } = model.versions.find(({ version }) => version === row.version);
  return readMap(await answer.arrayBuffer(), box, low, row.pixel_threshold);
}

/** The kept picture, or the service's overlay where this browser cannot show the file. */
function useKept(row) {
  const path = { id: row.id };
  const own = usePicture(row.picture ? url("get_picture", { path }) : null);
  const rendered = Boolean(own.error);
  const theirs = usePicture(rendered ? url("draw_overlay", { path, query: { format: "png" } }) : null);
  return { picture: rendered ? theirs.picture : own.picture, error: theirs.error, rendered };
}

function Record({ row }) {
  const all = (name) => row[name] && html`<a href=${page("review", { kept: "all", [name]: row[name] })}>${row[name]}</a>`;
  const address = page(`models/${encodeURIComponent(row.model)}`, { version: row.version });
  const model = html`<a href=${address}>${row.model}, ${row.version}</a>`;
  const values = {
    ...row, at: when(row.at), model, station: all("station"), lot: all("lot"), part: all("part"),
    tags: Object.entries(row.tags).map((tag) => tag.join(" = ")).join(", "), size: `${row.width} × ${row.height} px`,
    input: `${row.input_format}, ${bytes(row.input_bytes)}`, kept: words.kept[row.kept], pixel_threshold: score(row.pixel_threshold),
  };
  return html`<table><tbody>${Object.entries(words.fields).filter(([name]) => values[name]).map(([name, field]) =>
    html`<tr><th scope="row">${field}</th><td>${values[name]}</td></tr>`)}</tbody></table>`;
}

function Replay({ id }) {
  const [state, setState] = useState({});
  const replay = async () => {
    setState({ busy: true });
    setState(await call("replay_inspection", { path: { id } }).then((found) => ({ found }), (error) => ({ error })));
  };
  const { found, error, busy } = state;
  const unlike = found && ["verdict", "score", "regions"].filter((what) => !found[`same_${what}`]);
  return html`<button type="button" class="button" disabled=${busy} onClick=${replay}>${words.replay}</button>
    <${Problem} error=${error} />
    ${found && html`<${Notice} tone=${found.reproduced ? "quiet" : "defect"} title=${found.reproduced ? words.same : words.unlike}>
      <p>${unlike.map((what) => t.facts[what]).join(", ")}</p>
      <p>${fill(words.replayed, { before: score(found.recorded.score), after: score(found.replayed.score),
        difference: found.score_difference.toExponential(1), engine: found.replayed.engine })}</p>
      ${found.tolerance.differs.length > 0 && html`<p>${fill(words.differs, { what: found.tolerance.differs.join(", ") })}</p>`}<//>`}`;
}
