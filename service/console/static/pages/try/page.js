/** The page Try: drop pictures, look at what the models say of them. */
import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { setQuery, useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { useFetched, useKeys } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { differenceOf, readMap } from "../../parts/anomaly_map.js";
import { Facts, Regions } from "../../parts/facts.js";
import { Problem } from "../../parts/notice.js";
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
  const first = served.find((one) => one.key === query.get("model")) ?? served.find((one) => one.active);
  const second = served.find((one) => one.key === query.get("with") && one !== first);
  const choices = [first, second].filter(Boolean);
  const { items, add, again } = useTried(choices, at);
  const step = (by) => setAt((now) => Math.min(Math.max(0, now + by), items.length - 1));
  useKeys({ ArrowLeft: () => step(-1), ArrowRight: () => step(1) });
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  const take = (files) => {
    setAt(items.length);
    add(files);
  };
  const drag = (event) => (event.preventDefault(), setOver(event.type === "dragover"));
  return html`<div onDragOver=${drag} onDragLeave=${drag} onDrop=${drop}>
    <h1>${t.try.title}</h1>
    <${Problem} error=${models.error} />
    ${models.data && !first && html`<p>${t.try.noModel}</p>`}
    <div class="row try-head">
      <${Choice} label=${t.try.model} name="model" chosen=${first} from=${served} />
      <${Choice} label=${t.try.compare} name="with" chosen=${second} from=${served.filter((one) => one !== first)} none />
      <label class=${over ? "drop over" : "drop"}>${t.try.drop}
      <input type="file" multiple accept="image/*,.tif,.tiff" aria-label=${t.try.files}
        onChange=${(event) => (take(event.target.files), (event.target.value = ""))} /></label>
    </div>
    <${Strip} items=${items} at=${at} choice=${first} choose=${setAt} />
    ${items[at] && first && html`<${Tried} key=${items[at].id} item=${items[at]} choices=${choices} again=${again} />`}
  </div>`;
}

function Choice({ label, name, chosen, from, none }) {
  const text = (one) => `${one.key}${one.active ? ` (${t.try.active})` : ""} · ${one.engine}`;
  return html`<label>${label}<select onChange=${(event) => setQuery({ [name]: event.target.value || null })}>
    ${none && html`<option value="" selected=${!chosen}>${t.try.nothing}</option>`}
    ${from.map((one) => html`<option value=${one.key} selected=${one === chosen}>${text(one)}</option>`)}
  </select></label>`;
}

function Strip({ items, at, choice, choose }) {
  const said = ({ answers }) => {
    const found = answers[choice?.key];
    if (!found) return html`<span class="quiet">${t.try.waiting}</span>`;
    if (found.error) return html`<strong>${t.try.failed}</strong>`;
    return html`<${Verdict} verdict=${verdictOf(found.anomalous)} />`;
  };
  return html`<ol class="try-strip" aria-label=${t.try.strip} aria-live="polite">${items.map((item, index) => html`<li key=${item.id}>
    <button type="button" class="button" aria-pressed=${index === at} onClick=${() => choose(index)}>
      <${Thumb} file=${item.file} /><span>${item.file.name}</span>${said(item)}</button></li>`)}</ol>`;
}

function Thumb({ file }) {
  const [source, setSource] = useState(null);
  const [shown, setShown] = useState(true);
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setSource(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return shown && source && html`<img src=${source} alt="" loading="lazy" onError=${() => setShown(false)} />`;
}

/** One picture, and what each chosen version says of it. */
function Tried({ item, choices, again }) {
  const { query } = useAddress();
  const view = useView();
  const found = choices.map(({ key }) => item.answers[key]);
  const errors = found.map((one) => one?.error).filter(Boolean);
  const answers = found.filter((one) => one && !one.error);
  const [answer] = answers;
  const { picture, error, rendered } = useShown(item.file, answer, choices[0]);
  const maps = useMaps(found, choices);
  const panes = panesOf(found, choices, maps);
  const one = panes.find(({ id }) => id === query.get("show"));
  const names = choices.map(({ key }) => key);
  const size = answer?.image;
  return html`<div class="row">${answer && html`<${Verdict} verdict=${verdictOf(answer.anomalous)} size="large" />`}
      <h2>${item.file.name}</h2></div>
    ${errors.map((failed) => html`<${Problem} error=${failed} />`)}
    ${errors.length > 0 && html`<button type="button" class="button" onClick=${() => again(item)}>${t.try.again}</button>`}
    <${Problem} error=${answer && error} />
    ${answer && html`
      ${new Set(answers.map(({ anomalous }) => anomalous)).size > 1 && html`<p class="notice near">${t.try.verdicts}</p>`}
      <div class="row" role="group" aria-label=${t.try.show}>
        ${[{ id: null, name: t.try.panes.side }, ...panes].map(({ id, name }) => html`<button type="button" class="button"
          aria-pressed=${id === (one?.id ?? null)} onClick=${() => setQuery({ show: id })}>${name}</button>`)}</div>
      ${rendered && html`<p class="notice near">${t.try.rendered}</p>`}
      <${PictureTools} view=${view} picture=${picture} maps=${maps.filter(Boolean)} />
      <div class=${one ? "panes one" : "panes"}>${(one ? [one] : panes).map((pane) => html`<${Picture} key=${pane.id} ...${pane}
        caption=${pane.name} view=${view} picture=${picture} size=${size} roi=${choices[0].roi}
        label=${fill(t.try.pane, { pane: pane.name, file: item.file.name, regions: pane.regions?.length ?? 0 })} />`)}</div>
      <div class="cards">
        <section class="card"><${Facts} answers=${answers} names=${names} /></section>
        <section class="card">${answers.map((each) => html`<${Regions} regions=${each.regions} view=${view} />`)}</section>
      </div>
      <${Code} file=${item.file.name} choice=${choices[0]} />`}`;
}

function panesOf([first, second], [, other], [map, otherMap]) {
  const { panes } = t.try;
  const overlay = { id: "overlay", name: panes.overlay, show: "overlay", map, regions: first?.regions };
  if (!other) {
    return [{ id: "picture", name: panes.picture, show: "picture" }, { id: "map", name: panes.map, show: "map", map }, overlay];
  }
  const name = fill(panes.other, { name: other.key });
  const difference = map && otherMap && differenceOf(map, otherMap);
  return [overlay, { id: "other", name, show: "overlay", map: otherMap, regions: second?.regions },
    { id: "difference", name: panes.difference, show: "map", map: difference }];
}

/** The file as this browser shows it, or as the service renders it where they do not agree. */
function useShown(file, answer, choice) {
  const own = usePicture(file);
  const same = own.picture?.width === answer?.image.width && own.picture?.height === answer?.image.height;
  const rendered = Boolean(answer && (own.error || answer.odd || (own.picture && !same)));
  const drawn = useFetched(async (signal) => (rendered ? rendering(file, choice, signal) : null), [rendered, choice.key]);
  const theirs = usePicture(rendered ? drawn.data : null);
  return { picture: rendered ? theirs.picture : own.picture, error: drawn.error ?? theirs.error, rendered };
}

function useMaps(found, choices) {
  const [first, second] = found.map((answer) => answer?.map);
  const { data } = useFetched(() => Promise.all(found.map(async (answer, index) => {
    if (!answer?.map) return null;
    const { map_low: low, thresholds } = choices[index];
    return readMap(await answer.map.arrayBuffer(), answer.inspected, low, thresholds.pixel);
  })), [first, second]);
  return data ?? [];
}
