/** How far a part is from its threshold, and where its verdict would turn. */
import { html, useMemo } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { percent } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";

const [MOST, STEP] = [2, 0.01];
const g = t.gauge;

/**
 * The way of an answer from a usual good part (0) to the threshold (1): the further of score and map, at which both would turn.
 * `null` while it is not known. `map` is that of `readMap`; `usual` the score of a usual good part.
 */
export function wayOf({ score, threshold }, usual, map) {
  const peak = map && peakOf(map);
  const ways = [[score, usual, threshold], ...(map ? [[peak, map.low, map.threshold]] : [])]
    .filter(([value, low, high]) => [value, low, high].every(Number.isFinite) && high > low)
    .map(([value, low, high]) => (value - low) / (high - low));
  return ways.length ? Math.max(...ways) : null;
}

/** A map as it looks where its threshold lies so far from a usual good part. */
export const leaned = (map, lean) => map && { ...map, threshold: map.low + lean * (map.threshold - map.low) };

/** The score of a usual good part of a version: the middle one of its calibration; undefined until it is known, null where it is not. */
export function useUsual(name, version) {
  const { data, error } = useFetched(async (signal) => {
    if (!may("read")) return null;
    const { calibration: { good } } = await call("get_scores_of_version", { path: { name, version }, signal });
    return good.scores[good.scores.length >> 1] ?? null;
  }, [name, version]);
  return error ? null : data;
}

/**
 * The gauge, or its room while it `waits` for the map or for `usual`. `lean` is where a threshold is tried, 1 where none is, and
 * `setLean` moves it.
 */
export function Gauge({ answer, usual, map, lean, setLean, waits = false }) {
  const way = useMemo(() => wayOf(answer, usual, map), [answer, usual, map]);
  if (waits || usual === undefined) return html`<div class="gauge"></div>`;
  if (way === null || answer.undecided) return null; // no threshold turns what cannot be judged
  const at = (share) => `${(100 * Math.min(Math.max(share, 0), MOST)) / MOST}%`;
  const rejects = way > lean;
  // The button goes with it, and leaves the keyboard to the slider.
  const toThreshold = ({ target }) => (target.closest(".gauge").querySelector("input").focus(), setLean(1));
  const said = lean === 1 ? fill(answer.anomalous ? g.turnsToPass : g.turnsToReject, { way: percent(way, 0) })
    : fill(rejects ? g.wouldReject : g.wouldPass, { lean: percent(lean, 0), way: percent(way, 0) });
  return html`<section class="gauge" aria-label=${g.label}>
    <p><strong>${fill(way > 1 ? g.over : g.under, { way: percent(way, 0) })}</strong></p>
    <div class="gauge-scale">
      <div class="gauge-bar" aria-hidden="true">
        <i class=${answer.anomalous ? "defect" : "good"} style=${{ width: at(way) }}></i><b style=${{ left: at(1) }}></b></div>
      <input type="range" aria-label=${g.slider} min="0.2" max=${MOST} step=${STEP} value=${lean} aria-valuetext=${percent(lean, 0)}
        style=${{ marginLeft: at(0.2) }} onKeyDown=${(event) => event.stopPropagation()} onInput=${({ target }) => setLean(Number(target.value))} />
      <div class="gauge-ends quiet" aria-hidden="true"><span>${g.usual}</span><span style=${{ left: at(1) }}>${g.threshold}</span></div>
    </div>
    <p class="row" aria-live="polite"><span>${said}</span>
      ${lean !== 1 && html`<button type="button" class="button plain" onClick=${toThreshold}>${g.back}</button>`}</p>
  </section>`;
}

function peakOf({ values }) {
  let peak = -Infinity;
  for (const value of values) if (value > peak) peak = value;
  return peak;
}
