/** The page Try: drop pictures, look at what the models say of them. */
import { html, useEffect, useMemo, useState } from "../../vendor/htm-preact.js";
import { setQuery, useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { useFetched, useKeys } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { differenceOf, readMap } from "../../parts/anomaly_map.js";
import { Facts, Regions } from "../../parts/facts.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Picture, PictureTools, usePicture, useView } from "../../parts/picture.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";
import { rendering, servedOf, useTried } from "./asking.js";
import { Code } from "./code.js";

/** The page. */
export default function Page() {
  const { query } = useAddress();
  const [at, setAt] = useState(0);
  const [over, setOver] = useState(false);
  const models = useFetched((signal) => call("list_models", { signal }), []);
  const served = servedOf(models.data?.models);
  const first = served.find(({ key }) => key === query.get("model")) ?? served.find(({ active }) => active);
  const others = served.filter((one) => one !== first);
  const second = others.find(({ key }) => key === query.get("with"));
  const choices = [first, second].filter(Boolean);
  const { items, add, again } = useTried(choices, at);
  const step = (by) => setAt((now) => Math.max(0, Math.min(now + by, items.length - 1)));
  useKeys({ ArrowLeft: () => step(-1), ArrowRight: () => step(1) });
  const take = (files) => (setAt(items.length), add(files));
  const drag = (event) => {
    event.preventDefault();
    setOver(event.type === "dragover");
    if (event.type === "drop") take(event.dataTransfer.files);
  };
  return html`<div onDragOver=${drag} onDragLeave=${drag} onDrop=${drag}>
    <h1>${t.try.title}</h1>
    <${Problem} error=${models.error} />
    ${models.data && !first && html`<p>${t.try.noModel}</p>`}
    <div class="row try-head">
      <${Choice} label=${t.try.model} name="model" chosen=${first} from=${served} />
      <${Choice} label=${t.try.compare} name="with" chosen=${second} from=${others} none />
      <label class=${over ? "drop over" : "drop"}>${t.try.drop}
        <input type="file" multiple accept="image/*,.tif,.tiff"
          onChange=${({ target }) => (take(target.files), (target.value = ""))} /></label>
    </div>
    <ol class="try-strip" aria-label=${t.try.strip} aria-live="polite">${items.map((item, index) => html`<li key=${item.id}>
      <button type="button" class="button" aria-pressed=${index === at} onClick=${() => setAt(index)}>
        <${Thumb} file=${item.file} /><span>${item.file.name}</span><${Said} found=${item.answers[first?.key]} /></button></li>`)}</ol>
    ${items[at] && first && html`<${Tried} key=${items[at].id} item=${items[at]} choices=${choices} again=${again} />`}
  </div>`;
}

function Choice({ label, name, chosen, from, none }) {
  return html`<label>${label}<select onChange=${({ target }) => setQuery({ [name]: target.value || null })}>
    ${none && html`<option value="" selected=${!chosen}>${t.try.nothing}</option>`}
    ${from.map((one) => html`<option value=${one.key} selected=${one === chosen}>
      ${one.key}${one.active && ` (${t.try.active})`} · ${one.engine}</option>`)}</select></label>`;
}

function Said({ found }) {
  if (!found || found.error) return html`<span class="quiet">${found ? t.try.failed : t.try.waiting}</span>`;
  return html`<${Verdict} verdict=${verdictOf(found.anomalous)} />`;
}

function Thumb({ file }) {
  const [source, setSource] = useState(null);
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setSource(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return source && html`<img src=${source} alt="" loading="lazy" onError=${() => setSource(null)} />`;
}

/** One picture, and what each chosen version says of it. */
function Tried({ item: { file, answers }, item, choices, again }) {
  const view = useView();
  const wanted = useAddress().query.get("show");
  const found = choices.map(({ key }) => answers[key]);
  const errors = found.filter((one) => one?.error);
  const given = found.filter((one) => one && !one.error);
  const { picture, error, rendered } = useShown(file, given[0], choices[0]);
  const maps = useMaps(found, choices);
  const panes = panesOf(found, choices, maps, useMemo(() => maps[0] && maps[1] && differenceOf(...maps), maps.slice(0, 2)));
  const one = panes.find(({ id }) => id === wanted);
  const label = ({ name, regions = [] }) => fill(t.try.pane, { pane: name, file: file.name, regions: regions.length });
  return html`<div class="row">${given.length > 0 && html`<${Verdict} verdict=${verdictOf(given[0].anomalous)} size="large" />`}
      <h2 class="try-name">${file.name}</h2></div>
    ${errors.map((failed) => html`<${Problem} error=${failed.error} />
      <button type="button" class="button" onClick=${() => again(item)}>${t.try.again}</button>`)}
    ${given.length > 0 && html`<${Problem} error=${error} />
      ${given.some(({ anomalous }) => anomalous !== given[0].anomalous) && html`<${Notice} tone="near" title=${t.try.verdicts} />`}
      ${rendered && html`<${Notice} tone="near" title=${t.try.rendered} />`}
      <div class="row" role="group" aria-label=${t.try.show}>${[{ id: null, name: t.try.panes.side }, ...panes].map(({ id, name }) =>
        html`<button type="button" class="button" aria-pressed=${id === (one?.id ?? null)}
          onClick=${() => setQuery({ show: id })}>${name}</button>`)}</div>
      <${PictureTools} view=${view} picture=${picture} maps=${maps.filter(Boolean)} />
      <div class=${one ? "panes one" : "panes"}>${(one ? [one] : panes).map((pane) => html`<${Picture} key=${pane.id} ...${pane}
        caption=${pane.name} label=${label(pane)} view=${view} picture=${picture} size=${given[0].image} roi=${choices[0].roi} />`)}</div>
      <div class="cards">
        <section class="card"><${Facts} answers=${given} names=${choices.map(({ key }) => key)} /></section>
        <section class="card">${given.map(({ regions }) => html`<${Regions} regions=${regions} view=${view} />`)}</section>
      </div>
      <${Code} file=${file.name} choice=${choices[0]} />`}`;
}

function panesOf([first, second], [, other], [map, otherMap], difference) {
  const { panes } = t.try;
  const overlay = { id: "overlay", name: panes.overlay, show: "overlay", map, regions: first?.regions };
  if (!other) return [{ id: "picture", name: panes.picture, show: "picture" }, { id: "map", name: panes.map, show: "map", map }, overlay];
  const name = fill(panes.other, { name: other.key });
  return [overlay, { id: "other", name, show: "overlay", map: otherMap, regions: second?.regions },
    { id: "difference", name: panes.difference, show: "map", map: difference }];
}

/** The file as this browser shows it, or as the service renders it where they do not agree. */
function useShown(file, answer, choice) {
  const own = usePicture(file);
  const { width, height } = answer?.image ?? {};
  const unlike = own.picture && (own.picture.width !== width || own.picture.height !== height);
  const rendered = Boolean(answer && (own.error || unlike || answer.odd));
  const drawn = useFetched(async (signal) => (rendered ? rendering(file, choice, signal) : null), [rendered, choice.key]);
  const theirs = usePicture(rendered ? drawn.data : null);
  return { picture: rendered ? theirs.picture : own.picture, error: drawn.error ?? theirs.error, rendered };
}

/** The maps of the answers, in numbers; of those that are not there yet, null. */
function useMaps(found, choices) {
  const read = async (answer, { map_low: low, thresholds }) =>
    answer?.map ? readMap(await answer.map.arrayBuffer(), answer.inspected, low, thresholds.pixel) : null;
  const all = useFetched(() => Promise.all(found.map((answer, index) => read(answer, choices[index]))), [found[0], found[1]]);
  return all.data ?? [];
}
