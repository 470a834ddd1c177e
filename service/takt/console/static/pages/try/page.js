/** The page Try: drop pictures, look at what the models say of them. */
import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { setQuery, useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { useFetched, useInterval, useKeys } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { differenceOf, readMap } from "../../parts/anomaly_map.js";
import { Facts, Regions } from "../../parts/facts.js";
import { Gauge, leaned, useUsual } from "../../parts/threshold/gauge.js";
import { useInPlace } from "../../parts/judging/in_place.js";
import { useSaid } from "../../parts/judging/said.js";
import { Teach } from "../../parts/learning/teach.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Panes, usePicture, useView } from "../../parts/picture.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";
import { whyOf } from "../../parts/threshold/witness.js";
import { AGAIN_MS, rendering, servedOf, useTried } from "./asking.js";
import { Code } from "./code.js";

/** The page. */
export default function Page() {
  const { query } = useAddress();
  const [at, setAt] = useState(0);
  const [over, setOver] = useState(false);
  const models = useFetched((signal) => call("list_models", { signal }), []);
  const served = servedOf(models.data?.models);
  const loading = models.data?.models.some(({ versions }) => versions.some(({ state }) => state === "loading"));
  useInterval(models.again, loading ? AGAIN_MS : null);
  const first = served.find(({ key }) => key === query.get("model")) ?? served.find(({ active }) => active);
  const others = served.filter((one) => one !== first);
  const choices = [first, others.find(({ key }) => key === query.get("with"))].filter(Boolean);
  const { items, add, again } = useTried(choices, at);
  const saidOf = useSaid();
  const status = useFetched((signal) => (may("read") ? call("get_status", { signal }) : Promise.resolve({})), []);
  const step = (by) => setAt((now) => Math.max(0, Math.min(now + by, items.length - 1)));
  useKeys({ ArrowLeft: () => step(-1), ArrowRight: () => step(1) });
  const [strip, chose] = [useRef(null), useRef(false)];
  const empty = items.length === 0;
  // The field that the keyboard was on has moved.
  useEffect(() => void (!empty && chose.current && strip.current?.querySelector("button").focus()), [empty]);
  const lacks = !may("inspect") ? t.try.mayNot : !may("read") && t.try.mayNotRead;
  if (lacks) return html`<h1>${t.try.title}</h1><${Notice} title=${lacks} />`;
  const take = (files) => files.length && (setAt(items.length), add(files), models.again()); // another version may be active by now
  const choose = ({ target }) => {
    chose.current = target === document.activeElement;
    take(target.files);
    target.value = "";
  };
  const drag = (event) => {
    event.preventDefault();
    setOver(event.type === "dragover");
    if (event.type === "drop") take(event.dataTransfer.files);
  };
  const chooser = html`<label class=${`${empty ? "drop" : "button"}${over ? " over" : ""}`}>${empty ? t.try.drop : t.try.more}
    <input type="file" multiple accept="image/*,.tif,.tiff" class=${empty ? null : "unseen"}
      onChange=${choose} /></label>`;
  return html`<div class="try" onDragOver=${drag} onDragLeave=${drag} onDrop=${drag}>
    <div class="row page-head"><h1>${t.try.title}</h1>
      <${Choice} label=${t.try.model} name="model" chosen=${first} from=${served} />
      <${Choice} label=${t.try.compare} name="with" chosen=${choices[1]} from=${others} none />
      ${!empty && chooser}</div>
    <${Problem} error=${models.error} />
    ${models.data && !first && html`<p>${t.try.noModel}</p>`}
    ${empty && chooser}
    <ol class="try-strip" ref=${strip} aria-label=${t.try.strip} aria-live="polite">
      ${items.map(({ url, file, answers }, index) => html`<li key=${url}>
      <button type="button" class="button" aria-pressed=${index === at} title=${file.name} onClick=${() => setAt(index)}>
        <img src=${url} alt="" loading="lazy" /><span class="try-file">${file.name}</span>
        <${Said} found=${answers[first?.key]} /></button></li>`)}</ol>
    ${items[at] && first && html`<${Tried} key=${items[at].url} item=${items[at]} choices=${choices} again=${again}
      saidOf=${saidOf} record=${status.data?.record} />`}
  </div>`;
}

function Choice({ label, name, chosen, from, none }) {
  return html`<label>${label}<select onChange=${({ target }) => setQuery({ [name]: target.value || null })}>
    ${none && html`<option value="" selected=${!chosen}>${t.try.nothing}</option>`}
    ${from.map((one) => html`<option value=${one.key} selected=${one === chosen}>
      ${one.key}${one.active && ` (${t.try.active})`}</option>`)}</select></label>`;
}

function Said({ found }) {
  if (!found || found.error) return html`<span class="quiet">${found ? t.try.failed : t.try.waiting}</span>`;
  return html`<${Verdict} verdict=${verdictOf(found)} />`;
}

/** One picture, and what each chosen version says of it; `record` is null where the server keeps none. */
function Tried({ item, choices, again, saidOf, record }) {
  const { file, answers } = item;
  const view = useView();
  const wanted = useAddress().query.get("show");
  const found = choices.map(({ key }) => answers[key]);
  const errors = found.filter((one) => one?.error);
  const given = found.filter((one) => one && !one.error);
  const { picture, error, rendered } = usePicture(file, given[0]?.image, (signal) => rendering(file, choices[0], signal));
  const [lean, setLean] = useState(1);
  const usual = useUsual(choices[0].name, choices[0].version);
  const { panes, map, waits } = usePanes(found, choices, lean);
  const one = panes.find(({ id }) => id === wanted);
  const verdict = given[0] && verdictOf(given[0]);
  const { request_id } = given[0] ?? {};
  const said = saidOf(request_id, { request_id });
  const marks = said.given?.box ? [said.given] : [];
  const show = ({ id, name }) => html`<button type="button" class="button" aria-pressed=${id === (one?.id ?? null)}
    onClick=${() => setQuery({ show: id })}>${name}</button>`;
  const { buttons, form } = useInPlace({ ...given[0], said, view, size: given[0]?.image, off: !verdict || !record });
  const failures = errors.map((failed) => html`<${Problem} error=${failed.error} />
    <button type="button" class="button" onClick=${() => again(item)}>${t.try.again}</button>`);
  if (!verdict) return html`<h2>${file.name}</h2>${failures}`;
  return html`<div class="bench">
    <div>
      <${Problem} error=${error} />
      ${form}
      <${Panes} panes=${one ? [one] : panes} ...${{ view, picture, size: given[0].image, marks, roi: choices[0].roi, of: file.name }}>
        <div class="chips" role="group" aria-label=${t.try.show}>${[{ id: null, name: t.try.panes.side }, ...panes].map(show)}</div><//>
      ${rendered && html`<${Notice} tone="near" title=${t.try.rendered} />`}
    </div>
    <aside>
      <${Verdict} verdict=${verdict} size="large" />
      <h2>${file.name}</h2>
      <p>${whyOf(given[0])}</p>
      <${Gauge} answer=${given[0]} ...${{ usual, map, lean, setLean, waits }} />
      ${buttons}${said.given && html`<${Teach} model=${given[0].model} times=${said.given} />`}
      ${record === null && html`<p class="quiet">${t.judging.noRecord}</p>`}
      ${failures}
      ${given.some((answer) => verdictOf(answer) !== verdict) && html`<${Notice} tone="near" title=${t.try.verdicts} />`}
      ${given.map(({ regions }) => html`<${Regions} regions=${regions} view=${view} />`)}
      <${Facts} answers=${given} />
    </aside>
  </div>
  <${Code} file=${file.name} choice=${choices[0]} />`;
}

/** What there is to show: one version's map alone and on the picture, or the overlays of two and where they differ. */
function usePanes([first, second], [, other], lean) {
  const read = async (answer) => answer?.map && readMap(await answer.map.arrayBuffer(), answer.inspected, ...answer.levels);
  const both = useFetched(() => Promise.all([read(first), other && read(second)]), [first, second]);
  const [found, its] = both.data ?? [];
  const waits = both.loading || !found;
  const map = useMemo(() => leaned(found, lean), [found, lean]);
  const difference = useMemo(() => differenceOf(found, its), [found, its]);
  const { panes } = t.try;
  const overlay = { id: "overlay", name: panes.overlay, show: "overlay", map, regions: first?.regions };
  const alone = (id, found) => ({ id, name: panes[id], show: id === "picture" ? id : "map", map: found });
  if (!other) return { panes: [alone("picture", map), alone("map", map), overlay], map: found, waits };
  const beside = { ...overlay, id: "other", name: fill(panes.other, { name: other.key }), map: its, regions: second?.regions };
  return { panes: difference ? [overlay, beside, alone("difference", difference)] : [overlay, beside], map: found, waits };
}
