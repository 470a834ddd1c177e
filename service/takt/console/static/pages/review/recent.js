/** How far back parts can still be looked at, whatever the verdict was. */
import { html } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";

const [MINUTE, HOUR, DAY] = [60e3, 3600e3, 86400e3];
const r = t.review.reach;

/** A sentence: of the station that is asked for, or else of the one whose pictures reach back the least. */
export function Reach({ station }) {
  const { data, loading } = useFetched((signal) => call("get_recent", { signal }), []);
  const stations = data?.stations ?? [];
  const asked = stations.find((one) => one.station === station);
  const oldest = station ? asked?.oldest : data?.since;
  if (!oldest) return loading ? html`<p class="reach">&nbsp;</p>` : null; // its room, so that the grid stays where it is
  const shortest = station ? asked : stations.find((one) => one.oldest === oldest);
  const name = shortest && (shortest.station ?? r.unnamed);
  const said = station ? r.station : stations.length > 1 && name ? r.several : r.all;
  return html`<p class="reach">${fill(said, { at: when(oldest), ago: agoOf(Date.now() - new Date(oldest)), station: name })}</p>`;
}

function agoOf(ms) {
  if (ms < HOUR) return fill(r.minutes, { count: Math.floor(ms / MINUTE) });
  return ms < 2 * DAY ? fill(r.hours, { count: Math.floor(ms / HOUR) }) : fill(r.days, { count: Math.floor(ms / DAY) });
}
