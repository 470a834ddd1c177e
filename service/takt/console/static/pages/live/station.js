/** One station, large: its picture and verdict, its scores, the yield of its shift, and its rejects. */
import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { count, ms, percent, score, when } from "../../core/format.js";
import { useKeys } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";
import { comparedOf, whyOf } from "../../parts/threshold/witness.js";
import { OfPart } from "./part.js";
import { Rejects } from "./rejects.js";
import { createScreen } from "./screen.js";
import { openShift } from "./shift.js";
import { LENGTH, Strip } from "./strip.js";
import { placeOf } from "./watch.js";

const BEEP_S = 0.2;
const l = t.live;

/** Shows a feed, `watch` or `send`, until the feed is another one; `onState` hears what becomes of it. */
export function Station({ feed, onState }) {
  const canvas = useRef(null);
  const at = useRef({ scores: [] }).current;
  const [{ stream, away, error, done }, setState] = useState({});
  const [{ outcome, counts }, setFrame] = useState({});
  const [opacity, setOpacity] = useState(0.8);
  const [, setRound] = useState(0);
  const again = () => setRound((before) => before + 1);
  useEffect(() => {
    at.screen = createScreen(canvas.current);
    const hearState = (next) => {
      if (next.stream) at.shift = (at.shift?.close(), openShift(placeOf(next.stream), again));
      setState((before) => (next.stream ? next : { ...before, ...next }));
      onState(next);
    };
    const stop = feed({ onState: hearState, onFrame: (frame) => show(at, frame, setFrame, again) });
    return () => (stop(), at.shift?.close(), at.screen.close());
  }, [feed]);
  useEffect(() => at.screen.setOpacity(opacity), [feed, opacity]);
  useEffect(() => () => at.audio?.close(), []);
  const freeze = () => again((at.frozen = !at.frozen));
  useKeys({ f: freeze });
  const listen = ({ target }) => (at.audio?.close(), (at.audio = target.checked ? new AudioContext() : null));
  const note = (tone, title, detail) => html`<${Notice} tone=${tone} title=${title}><p>${detail}</p><//>`;
  const shift = at.shift?.now();
  return html`<div class="station">
    <div class="card">
      <${Problem} error=${error ?? (outcome?.type === "error" ? outcome : null)} />
      ${away && note("near", l.away, l.awayDetail)} ${done && note("quiet", l.done, fill(l.counts, done))}
      ${at.frozen && note("near", l.frozen, l.frozenDetail)}
      <canvas ref=${canvas} class="screen" role="img" aria-label=${stream ? placeOf(stream) : l.title} />
      <div class="row">
        <label class="beside">${l.opacity}
          <input type="range" min="0" max="1" step="0.05" value=${opacity} onInput=${({ target }) => setOpacity(+target.value)} /></label>
        <button type="button" class="button" aria-pressed=${Boolean(at.frozen)} onClick=${freeze}>${l.freeze}</button>
        <label class="beside"><input type="checkbox" onChange=${listen} />${l.sound}</label>
      </div>
      ${stream && html`<p class="quiet">${fill(l.of, { ...stream, place: placeOf(stream), version: outcome?.version ?? "",
        policy: l.policies[stream.policy] ?? stream.policy })}</p>`}
    </div>
    <div class="card">
      <${Verdict} verdict=${verdictOf(outcome)} size="large" />
      <p>${outcome?.regions ? whyOf(outcome) : fill(l.score, comparedOf(outcome))}</p>
      ${outcome?.view && html`<${OfPart} view=${outcome.view} />`}
      <${Strip} scores=${at.scores} threshold=${outcome?.threshold ?? 0} />
      <div class="station-facts"><span>${fill(l.times, { engine: ms(outcome?.timings_ms?.engine), queue: ms(outcome?.timings_ms?.queue) })}</span>
        ${counts && html`<span>${fill(l.counts, counts)}</span>`}</div>
      ${shift && html`<h2>${l.yield}</h2><div class="row">
          <strong class="yield">${percent(shift.all ? shift.good / shift.all : null)}</strong>
          <span>${fill(l.yieldOf, { good: count(shift.good), all: count(shift.all), since: when(shift.since) })}</span>
          <button type="button" class="button" onClick=${() => again(at.shift.begin())}>${l.begin}</button>
        </div>
        <${Rejects} ...${shift} onSeen=${(id) => again(at.shift.seen(id))} />`}
    </div>
  </div>`;
}

/** Counts a frame, and draws it unless the display is frozen or nobody sees it; of those that come meanwhile, the newest. */
async function show(at, frame, setFrame, again) {
  if (at.shift.add(frame).length) beep(at);
  at.scores = [...at.scores, ...frame.skipped, frame.outcome].filter((one) => Number.isFinite(one.score)).slice(-LENGTH);
  at.newest = frame;
  if (at.frozen || at.busy || document.hidden) return again();
  at.busy = true;
  for (let shown = frame; shown && !at.frozen; shown = at.newest === shown ? null : at.newest) {
    await at.screen.show(shown);
    setFrame(shown);
  }
  at.busy = false;
}

function beep(at) {
  if (!at.audio || at.audio.currentTime < (at.beepUntil ?? 0)) return;
  const tone = at.audio.createOscillator();
  tone.connect(at.audio.destination);
  tone.start();
  tone.stop((at.beepUntil = at.audio.currentTime + BEEP_S));
}
