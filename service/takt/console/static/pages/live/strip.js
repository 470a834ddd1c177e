/** The last scores of a station against its threshold. */
import { html } from "../../vendor/htm-preact.js";
import { score } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";

/** How many scores the strip has. */
export const LENGTH = 200;
const [HEIGHT, MARGIN] = [60, 8];

/** `scores` are `{ score, anomalous }`, the newest last; a reject is a dot as well as a peak. */
export function Strip({ scores, threshold }) {
  const values = [threshold, ...scores.map((one) => one.score)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const y = (value) => (HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * (value - low)) / (high - low || 1)).toFixed(1);
  const points = scores.map((one, index) => `${LENGTH - scores.length + index + 0.5} ${y(one.score)}`);
  return html`<svg class="strip" viewBox=${`0 0 ${LENGTH} ${HEIGHT}`} preserveAspectRatio="none" role="img"
    aria-label=${fill(t.live.strip, { count: scores.length, threshold: score(threshold) })}>
    <path class="threshold" d=${`M0 ${y(threshold)}H${LENGTH}`} />
    <polyline points=${points.join(",")} />
    <path class="rejects" d=${points.map((point, index) => (scores[index].anomalous ? `M${point}h0` : "")).join("")} />
  </svg>`;
}
