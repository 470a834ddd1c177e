/** The page Live: the wall of streams, one of them large, or frames that this browser sends. */
import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { navigate, useAddress } from "../../core/address.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";
import { PartResult } from "../../parts/multiview/part.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";
import { comparedOf, whyOf } from "../../parts/threshold/witness.js";
import { linkOf, yesterdaysRejects } from "../review/filters.js";
import { createScreen } from "./screen.js";
import { send } from "./sender.js";
import { cameraSource, droppedFiles, filesSource } from "./source.js";
import { Station } from "./station.js";
import { placeOf, watch } from "./watch.js";

const [LOOK_EVERY_MS, TILE_EVERY_MS] = [2000, 200];
const l = t.live;
const yesterday = () => linkOf(yesterdaysRejects());

/** The page. */
export default function Page() {
  const id = useAddress().rest[0];
  const [own, setOwn] = useState(null);
  const feed = useMemo(() => (own ? (hear) => send(own, hear) : id && may("read") && ((hear) => watch(id, hear))), [own, id]);
  // Another stream goes on in the place of this one.
  const follow = ({ next }) => next && navigate(`/console/live/${next}`, {}, { replace: true });
  const back = html`<a class="button" href="/console/live" onClick=${() => setOwn(null)}>${own ? l.stop : l.wall}</a>`;
  return html`<section class="live">
    <div class="row page-head"><h1>${l.title}</h1>
      ${may("read") && html`<a class="button" href=${yesterday()}>${t.review.yesterday}</a>`}${feed && back}</div>
    ${feed && html`<${Station} feed=${feed} onState=${follow} />`}
    ${!may("read") && html`<${Notice} title=${l.mayNot} />`}
    ${!feed && may("read") && html`<${may("inspect") ? Sources : Wall} onBegin=${setOwn} />`}
  </section>`;
}

/** What this browser can send, and the wall below it, which would move down if it came first. */
function Sources({ onBegin }) {
  const { data, error } = useFetched((signal) => call("list_models", { signal }), []);
  const [over, setOver] = useState(false);
  const model = useRef(null);
  const begin = (source, policy, station) => onBegin({ model: model.current.value, source, policy, station });
  const files = (chosen) => chosen.length && begin(filesSource([...chosen]), "all", "console");
  const drag = (event) => (event.preventDefault(), setOver(event.type === "dragover"));
  const drop = async (event) => (drag(event), files(await droppedFiles(event.dataTransfer)));
  if (!data) return error && html`<${Problem} error=${error} /><${Wall} />`;
  return html`<${Problem} error=${error} />
    <div class=${`drop ${over ? "over" : ""}`} onDragOver=${drag} onDragLeave=${drag} onDrop=${drop}>
      <div class="row">
        <label class="beside">${l.model}
          <select ref=${model}>${data.models.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
        <button type="button" class="button" disabled=${!isSecureContext}
          onClick=${() => begin(cameraSource, "latest", "console camera")}>${l.camera}</button>
        <label class="beside">${l.files}
          <input type="file" multiple accept="image/*,video/*" onChange=${({ target }) => files(target.files)} /></label>
      </div>
      <span class="quiet">${l.drop}</span>
    </div>
    ${!isSecureContext && html`<${Notice} tone="near" title=${l.insecure}><p>${l.insecureDetail}</p><//>`}
    <${Wall} />`;
}

function Wall() {
  const { data, error, again } = useFetched((signal) => call("list_streams", { signal }), []);
  useInterval(again, LOOK_EVERY_MS);
  if (!data) return html`<${Problem} error=${error} />`;
  if (!data.streams.length) return html`<${Notice} title=${l.none}><p>${l.noneDetail}</p><//>`;
  return html`<ul class="wall" aria-label=${l.wall}>${data.streams.map((one) => html`<${Tile} key=${one.id} stream=${one} />`)}</ul>`;
}

function Tile({ stream }) {
  const canvas = useRef(null);
  const [{ outcome, error }, setShown] = useState({});
  useEffect(() => {
    const screen = createScreen(canvas.current);
    const onFrame = (frame) => screen.show(frame).then(() => setShown(frame));
    const stop = watch(stream.id, { pauseMs: TILE_EVERY_MS, onFrame, onState: ({ error }) => error && setShown({ error }) });
    return () => (stop(), screen.close());
  }, [stream.id]);
  return html`<li><a class="card tile" href=${`/console/live/${stream.id}`}>
    <strong>${placeOf(stream)}</strong>
    <canvas ref=${canvas} class="screen" />
    <${Verdict} verdict=${verdictOf(outcome)} />
    <span>${outcome?.regions ? whyOf(outcome) : fill(l.score, comparedOf(outcome))}</span>
    ${outcome?.view && html`<span>${fill(t.part.viewOf, outcome.view)}${outcome.view.result
      && html`: <${PartResult} result=${outcome.view.result} />`}</span>`}
    <span>${error?.detail ?? (stream.connected ? fill(l.counts, stream.counts) : l.lost)}</span>
  </a></li>`;
}
